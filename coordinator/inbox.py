"""What comes through the ROUTER, as events for the core."""

from typing import Any

import zmq

from coordinator.events import Event, Garbled, Heard
from dtrain import gradsum
from dtrain.errors import ProtocolError
from dtrain.layout import Layout
from dtrain.wire import sockets
from dtrain.wire.codec import Packet
from dtrain.wire.messages import TRAIN, Partial


class Inbox:
    """Decodes messages and takes partials apart, by the run's layout."""

    def __init__(self, router: zmq.Socket[Any], layout: Layout) -> None:
        self._router, self._layout = router, layout

    def next(self) -> Event | None:
        """The next event, or None when nothing is there now."""
        received = sockets.receive_from(self._router)
        if received is None:
            return None
        peer, packet = received
        if isinstance(packet, ProtocolError):
            return Garbled(peer, str(packet))
        try:
            return Heard(peer, packet.envelope, packet.message, self._part(packet))
        except ProtocolError as error:
            return Garbled(peer, str(error))

    def _part(self, packet: Packet) -> Any:
        message = packet.message
        if not isinstance(message, Partial):
            return None
        index = message.part if message.phase == TRAIN else self._layout.tail
        return gradsum.unpack(self._layout, index, message.sums, list(packet.buffers))
