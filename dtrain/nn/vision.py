"""Padding and upsampling as modules."""

__all__: list[str] = []
