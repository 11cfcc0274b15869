"""`python -m pcapleak`."""

from pcapleak.cli import main

main()
