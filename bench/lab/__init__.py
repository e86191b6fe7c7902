"""What the benches share: peers in processes of their own, and how figures are taken and shown.

Nothing here is measured itself. Scripts beside this package are run as `python bench/name.py`.
"""
