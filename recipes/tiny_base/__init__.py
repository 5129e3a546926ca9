"""The tiny pretrained base: `make.py` makes it, `README.md` is its card."""
