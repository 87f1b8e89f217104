"""What is put on the disk and taken off it: temporary folders of our own, and folders that are replaced whole.

Nothing is ever removed but what bears our marker, or is provably what we wrote, and holds nothing foreign.
"""
