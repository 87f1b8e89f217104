"""Generated CT scans with known anatomy: for tests, the demo, and as extra training and validation cases."""

from PancreasSegLib.phantom.phantom import PHANTOM_LABELS, Phantom, make_phantom

__all__ = ["PHANTOM_LABELS", "Phantom", "make_phantom"]
