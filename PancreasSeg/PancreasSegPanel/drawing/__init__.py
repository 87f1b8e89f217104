"""What is drawn and clicked in the slice views, and what is seen of it."""
