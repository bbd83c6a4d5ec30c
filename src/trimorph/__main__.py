"""`python -m trimorph`: the command `trimorph`, where its console script is not on the path."""

from trimorph.cli.main import main

if __name__ == "__main__":
    main()
