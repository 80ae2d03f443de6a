"""The command line `dtrain`: one small file a command, put together in main.py."""
