# type: ignore
"""The properties of received messages. Their types are in _properties.pyi."""

from ._native import all_pairs, application_pairs, read_bag, system_properties


class _Frozen(dict):
    """A `dict` that refuses to be changed."""

    __slots__ = ()

    def _refuse(self, *_, **__):
        raise TypeError("the properties of a message cannot be changed; dict(properties) can")

    __setitem__ = __delitem__ = __ior__ = _refuse
    clear = pop = popitem = setdefault = update = _refuse


class Properties(_Frozen):
    """The application properties of a received message: an immutable mapping of names to values, in their order.

    A value is None if the property came without one (a name and no '='). Of a repeated name the first value counts;
    multi_items() has them all, and pairs() the system properties, too. Text that is not UTF-8 when decoded has surrogate
    escapes (PEP 383).

    The constructor reads a bag as it stands in a topic:

    >>> from iothub_proto import Properties
    >>> properties = Properties("room=kitchen&%24.mid=m-1")
    >>> dict(properties)
    {'room': 'kitchen'}
    >>> properties.system.message_id
    'm-1'
    """

    __slots__ = ("_bag",)

    def __init__(self, bag, /):
        read_bag(self, bag)
        self._bag = bag.encode()

    @property
    def raw(self):
        """The bag as it came, percent-encoded."""
        return self._bag.decode()

    @property
    def system(self):
        """The properties that the hub knows."""
        return system_properties(self.raw)

    def multi_items(self):
        """The application properties as they stand, repeated ones, too."""
        return application_pairs(self.raw)

    def pairs(self):
        """All properties as they stand: the application's and, by the names they have on the wire, the system's."""
        return all_pairs(self.raw)

    def __reduce__(self):
        return Properties, (self.raw,)

    def __repr__(self):
        return f"Properties({self.raw!r})"


class _Received(Properties):
    """Made empty, and filled by _native: no Python runs for it."""

    __slots__ = ()
    __init__ = dict.__init__


_Received.__name__ = _Received.__qualname__ = "Properties"
_Received.__module__ = Properties.__module__ = "iothub_proto"
