"""The version of dtrain. Pure."""

VERSION = "0.1.0"
