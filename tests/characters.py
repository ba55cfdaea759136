"""What `hypothesis` makes texts of."""

from hypothesis import strategies as st

ANY = st.characters(exclude_categories=["Cs"])
"""Those of `st.text()`, all that UTF-8 can write, without the seconds that it takes to try each of them."""
