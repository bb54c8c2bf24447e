"""Runs the command: python -m cli."""

from cli.app import main

if __name__ == "__main__":
    main()
