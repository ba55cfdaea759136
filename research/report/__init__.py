"""The paper's figures over one's own games: success, turns, clicks, language and feedback, with intervals."""
