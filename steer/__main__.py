"""`python -m steer` is the `steer` command."""

from steer.cli import main

if __name__ == "__main__":
    main()
