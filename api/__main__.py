"""`python -m api` is `bezant`."""

from api.cli import main

main()
