"""The scene's nodes: the CT, segments and how they are written, marks, figures."""
