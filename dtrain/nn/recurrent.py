"""RNN, LSTM, GRU."""

__all__: list[str] = []
