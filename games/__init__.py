"""What a game is, the games themselves, figures and board pictures. No torch, no discord, no database."""
