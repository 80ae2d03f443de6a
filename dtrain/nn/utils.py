"""Gradients clipped, parameters as one vector."""
