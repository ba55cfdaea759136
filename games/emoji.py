"""What emoji say as an answer, by their names between colons (Discord's own names and `anyascii`'s agree)."""

MEANINGS: dict[str, str] = {
    name: word
    for word, names in {
        "yes": """+1 100 ballot_box_with_check blush clap confetti_ball dart grin grinning handshake heart
            heart_eyes heavy_check_mark innocent muscle ok ok_hand partying_face pray raised_hands relieved
            saluting_face slight_smile smile smiley star_struck sunglasses tada thumbsup white_check_mark""",
        "no": """-1 angry broken_heart confounded cry disappointed expressionless face_with_symbols_over_mouth
            facepalm frowning2 heavy_multiplication_x negative_squared_cross_mark no_entry no_entry_sign
            persevere person_facepalming person_gesturing_no rage rolling_eyes slight_frown sob thumbsdown
            tired_face triumph unamused weary x""",
        "undo": """arrows_counterclockwise back leftwards_arrow_with_hook rewind wastebasket""",
        "next": """fast_forward soon track_next""",
    }.items()
    for name in names.split()
}
"""Name to the word that it stands for. Every other emoji is what its name says: a duck is a duck."""
