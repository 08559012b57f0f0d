"""Networks: how a guest is connected, as pure functions from facts to libvirt XML."""
