"""`python -m s3gw`: the command line."""

from s3gw.cli import main

if __name__ == "__main__":
    main()
