"""The command `keras-dim`: flags, messages, exit codes."""
