"""How elements are made: from names, text and children, never from pieces of XML."""

from xml.etree.ElementTree import Element


def element(tag: str, /, *children: Element | None, text: str | int | None = None, **attributes: object) -> Element:
    """Return an element. What is None is left out: attributes, children and text alike."""
    made = Element(tag, {name: str(value) for name, value in attributes.items() if value is not None})
    made.text = None if text is None else str(text)
    made.extend(child for child in children if child is not None)
    return made


def yes_no(value: bool) -> str:  # noqa: FBT001 - the value is what the function is about
    """Return libvirt's word for a switch."""
    return "yes" if value else "no"


def on_off(value: bool) -> str:  # noqa: FBT001 - as above
    """Return libvirt's other word for a switch."""
    return "on" if value else "off"
