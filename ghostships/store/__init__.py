"""The store: generations of content-named objects, committed at once, read without locks, verified before use."""

from ghostships.store.audit import Problem
from ghostships.store.collection import KEEP_DAYS
from ghostships.store.draft import Draft
from ghostships.store.generations import Store
from ghostships.store.holding import StoreHeld
from ghostships.store.manifests import DamagedManifest, Generation, Ref
from ghostships.store.shelf import Removed

__all__ = ["KEEP_DAYS", "DamagedManifest", "Draft", "Generation", "Problem", "Ref", "Removed", "Store", "StoreHeld"]
