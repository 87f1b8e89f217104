"""What is shown and kept of a training: curves, previews, TensorBoard, a live table, the record of the run."""
