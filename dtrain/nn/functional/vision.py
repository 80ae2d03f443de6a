"""Padding and resampling."""

__all__: list[str] = []
