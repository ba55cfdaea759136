"""The paper's figures for your own games: success, turns, clicks, language and feedback, with intervals."""
