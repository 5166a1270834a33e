"""`python -m overround`"""

from overround.cli.main import main

main()
