"""Multi-head attention."""

__all__: list[str] = []
