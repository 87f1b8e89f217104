"""Public models: which there are on the net, under which terms, and which lie on this computer already.

Nothing is fetched before the user has seen size and licence and agreed. What was fetched is checked, and imported
like any model that a user has.

Examples
--------
>>> from PancreasSegLib.models.catalogue import public_models
>>> [model.name for model in public_models()][:2]
['totalsegmentator-organs', 'totalsegmentator-3mm']
"""

from PancreasSegLib.models.catalogue.finding import FoundModel, find_models
from PancreasSegLib.models.catalogue.getting import get_model
from PancreasSegLib.models.catalogue.public_model import PublicModel, public_model, public_models

__all__ = ["FoundModel", "PublicModel", "find_models", "get_model", "public_model", "public_models"]
