"""Initialisers, with PyTorch's names and numbers."""
