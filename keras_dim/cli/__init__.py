"""The command `keras-dim`: flags, messages and exit codes."""
