"""Generated CT scans with known anatomy: for tests, the demo, and as extra training and validation cases."""

from PancreasSegLib.phantom.head import make_head_phantom
from PancreasSegLib.phantom.phantom import PHANTOM_LABELS, Phantom, make_phantom

__all__ = ["PHANTOM_LABELS", "Phantom", "make_head_phantom", "make_phantom"]
