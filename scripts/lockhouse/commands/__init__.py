"""The commands, a module each, loaded when they are called: what one needs, another need not wait for."""
