"""Transformer layers."""

__all__: list[str] = []
