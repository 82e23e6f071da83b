"""Simulated worlds: what an arm senses follows from what it commands."""

from lk_dataset_ros.world.loading import WORLDS, load_world, world_class
from lk_dataset_ros.world.world import GROUND_TRUTH, World

__all__ = ['GROUND_TRUTH', 'WORLDS', 'World', 'load_world', 'world_class']
