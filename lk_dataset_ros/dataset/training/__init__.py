"""Datasets to train from: pairs of inputs and outputs, windows, splits, normalisation."""

from lk_dataset_ros.dataset.training.normalisation import Normalisation, Statistics
from lk_dataset_ros.dataset.training.torch_view import to_dataloader, to_pytorch_dataset

__all__ = ['Normalisation', 'Statistics', 'to_dataloader', 'to_pytorch_dataset']
