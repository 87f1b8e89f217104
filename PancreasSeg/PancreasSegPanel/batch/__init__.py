"""Many CTs one after the other: those of a folder, or those of the scene."""
