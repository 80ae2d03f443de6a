"""Embeddings and one-hot."""

__all__: list[str] = []
