"""The exported tables: names, types and meaning of every column. Writers, data-set card and docs use these.

The first five tables are those of the paper's published data set, with the same columns, order and types.
"""

from dataclasses import dataclass

import pyarrow as pa

TEXT = pa.string()
TEXTS = pa.list_(pa.string())
INT = pa.int64()
FLOAT = pa.float64()
TIME = pa.timestamp("us", tz="UTC")


@dataclass(frozen=True)
class Column:
    """One column. `about` says what it holds, its unit, and when it is null."""

    name: str
    type: pa.DataType
    about: str


@dataclass(frozen=True)
class Table:
    """One table of an export, which is one file."""

    name: str
    about: str
    columns: tuple[Column, ...]
    not_kept: str = ""
    """Why it has no rows yet; empty if it can have rows."""

    @property
    def schema(self) -> pa.Schema:
        """The columns as an Arrow schema."""
        return pa.schema([(column.name, column.type) for column in self.columns])


_GAME_ID = Column("game_id", TEXT, "Id of the game. It has no underscore.")
_GAME_TURN_ID = Column("game_turn_id", TEXT, '"{game_id}_{turn_id}".')
_TURN_ID = "Number of the turn in its game, from 0."
_TARGETS = Column("targets", TEXTS, "Figure ids of the targets, which the listener never saw.")
_CONTEXT = Column("context", TEXTS, "The figure ids in the listener's order.")
_SPEAKER = Column("speaker", TEXT, "Pseudonym of the player, 32 hex digits.")
_ALIAS = Column("dataset_alias", TEXT, 'Collection of one round: "D1" for round 0, "D2" for round 1, ...')
_POLICY = Column("policy_name", TEXT, 'The adapter that played, as in `policy`; "base" is none.')
_DATE = Column("date", TEXT, "Day on which the game began, UTC, YYYY-MM-DD.")
_ROUND = Column("round", INT, "Rounds of learning finished when the game began.")
_BEFORE = Column("currently_selected", TEXTS, "Figure ids selected before the turn.")
_END = Column("end", pa.int8(), "1 for the last turn of its game, else 0.")
_DESELECTED = Column("deselected", TEXTS, "Figure ids that the turn deselected.")
_SELECTED = Column("selected", TEXTS, "Figure ids that the turn selected.")

INTERACTION = Table(
    "interaction",
    "One row for each finished game.",
    (
        _GAME_ID,
        Column("turn", INT, "Turns played."),
        Column("end", TEXT, '"successful" if the selection came to be the targets, else "unsuccessful".'),
        Column("s comments", TEXT, "The speaker's comment after the game; null, as none is asked for yet."),
        _SPEAKER,
        Column("len", TEXT, 'Time from deal to end, e.g. "3.218 mins"; null where the end is not known.'),
        Column("clicks", pa.list_(TEXTS), "Figure ids selected after each turn."),
        _CONTEXT,
        _TARGETS,
        Column("chat", TEXTS, "What the speaker said in each turn."),
        _ALIAS,
        _POLICY,
        _DATE,
        _ROUND,
    ),
)

TURN = Table(
    "turn",
    "One row for each turn of those games.",
    (
        Column("chats", TEXTS, "What the speaker said up to and in this turn."),
        Column("clicks", pa.list_(TEXTS), "Figure ids clicked in each turn up to and with this one."),
        _TARGETS,
        _GAME_ID,
        _END,
        _CONTEXT,
        Column("turn_id", pa.int8(), _TURN_ID),
        _BEFORE,
        _DESELECTED,
        _SELECTED,
        Column("chat_feedback", TEXT, "What the speaker said next; null after the last turn."),
        _GAME_TURN_ID,
        Column(
            "prob_action",
            FLOAT,
            "Probability of the action under the policy that sampled it; null where it is not known.",
        ),
        _ALIAS,
        _POLICY,
        _DATE,
        _ROUND,
    ),
)

HUMAN_EVAL = Table(
    "human_eval",
    "Judgements of turns by people; a row for each rater of a turn.",
    (
        Column(
            "correctness",
            TEXT,
            "Whether the action did what was asked for: correct, partially_correct or incorrect.",
        ),
        Column(
            "feedback",
            TEXT,
            "Whether the next words show satisfaction: yes, no, incorrect_satisfaction or "
            "partial_correctness_satisfaction; null after the last turn.",
        ),
        Column("delta_clicks", TEXTS, "Figure ids that should have been clicked."),
        _GAME_ID,
        Column("turn_id", INT, _TURN_ID),
        _ROUND,
        _POLICY,
        _TARGETS,
        _SELECTED,
        _DESELECTED,
        _CONTEXT,
        _END,
        _BEFORE,
    ),
    not_kept="no turn is judged by people yet",
)


def _decoder_table(scheme: str, values: str, reference: str) -> Table:
    return Table(
        f"feedback_decoder_{scheme}",
        f"What the {scheme} feedback decoder made of each turn that has a next utterance.",
        (
            Column("predictions", INT, f"The decoder's label: {values}."),
            Column(
                "labels",
                INT,
                f"Reference from the targets, for evaluation only: {reference}. Taking back a "
                "figure that is no target is a right click. Null for a turn without clicks.",
            ),
            _GAME_TURN_ID,
            Column("text", TEXT, "What the decoder was given."),
        ),
    )


BINARY = _decoder_table(
    "binary", "1 positive, -1 negative", "1 if all clicks of the turn were right, else -1"
)
TERNARY = _decoder_table(
    "ternary",
    "1 positive, 0 neutral, -1 negative",
    "1 if all clicks of the turn were right, 0 if some, -1 if none",
)

EVENT = Table(
    "event",
    "What happened when, in order within a game.",
    (
        _GAME_ID,
        Column("turn_id", pa.int8(), f"{_TURN_ID[:-1]}; null for events of the whole game."),
        Column(
            "kind",
            TEXT,
            "game_started, utterance, action, game_ended, board_shown, edited, withdrawn or said_after_end.",
        ),
        Column("text", TEXT, "What was said after the end; null for other kinds."),
        Column("at", TIME, "When, UTC."),
    ),
)

POLICY = Table(
    "policy",
    "The policies that played, and every adapter that was trained.",
    (
        Column("policy_name", TEXT, 'Name of the adapter; "base" is the model without one.'),
        Column("base_model", TEXT, "Fingerprint of the base model's weights."),
        Column("revision", TEXT, "What the base model was opened as; null where it was not noted."),
        Column("adapter_hash", TEXT, "SHA-256 of the adapter's weights; null where it was not noted."),
        Column(
            "prompt_hash",
            TEXT,
            "SHA-256 of how prompts are written; null for base, and where it was not noted.",
        ),
        Column("decoding", TEXT, "How actions are drawn."),
        Column("temperature", FLOAT, "Sampling temperature of its exported turns; null where not known."),
        Column("parent", TEXT, "Adapter that training started from; null is the base model."),
        Column("system", TEXT, 'Learning system in the paper\'s names, e.g. "b-sup"; null for base.'),
        Column("status", TEXT, "candidate, current, retired or rejected; null for base."),
        Column("decoder", TEXT, "Feedback decoder whose labels it was trained on; null for base."),
        Column("training", TEXT, "Hyper-parameters of training, JSON; null for base."),
        Column("metrics", TEXT, "Of training and held-out evaluation, JSON; null for base."),
        Column(
            "training_turns", INT, "Turns it was trained on that are kept, exported or not; null for base."
        ),
        Column("erased_turns", INT, "Turns it was trained on that were since erased; null for base."),
        Column("created_at", TIME, "When it was made; null for base."),
    ),
)

POLICY_TURN = Table(
    "policy_turn",
    "Which of the exported turns each adapter was trained on.",
    (
        Column("policy_name", TEXT, "As in `policy`."),
        _GAME_TURN_ID,
        Column("reward", FLOAT, "Reward that the turn was given."),
        Column("weight", FLOAT, "Weight of its loss."),
    ),
)

ASSIGNMENT = Table(
    "assignment",
    "Which arm of a study a game was assigned to when it began.",
    (
        _GAME_ID,
        Column("study", TEXT, "Name of the study."),
        Column("study_hash", TEXT, "SHA-256 of the study's file, as it was then."),
        Column("arm", TEXT, "The arm."),
        Column("adapter", TEXT, "The arm's adapter at that time; `policy_name` is the one that played last."),
        Column("probability", FLOAT, "Probability of that arm when it was drawn, among the eligible ones."),
        Column("seed", INT, "Seed of the draw; a player who stays in an arm keeps it."),
        Column("eligible_arms", TEXTS, "Arms that could have been drawn."),
        Column("at", TIME, "When it was assigned, UTC."),
    ),
    not_kept="no game is in a study yet",
)

STUDY = Table(
    "study",
    "The files of the studies that exported games were assigned in.",
    (
        Column("study_hash", TEXT, "SHA-256 of the file."),
        Column("study", TEXT, "Name of the study."),
        Column("text", TEXT, "The file, in TOML."),
        Column("at", TIME, "When the bot first started with it, UTC."),
    ),
    not_kept="no game is in a study yet",
)

TURN_META = Table(
    "turn_meta",
    "How each turn was sampled, and how long it took.",
    (
        _GAME_TURN_ID,
        Column(
            "log_prob", FLOAT, "Natural logarithm of the behaviour policy's probability; null if unknown."
        ),
        Column("temperature", FLOAT, "Sampling temperature; null for turns from before it was kept."),
        Column("seed", INT, "Seed of the policy service; null for turns from before it was kept."),
        Column("latency", FLOAT, "Seconds that the policy took, waiting included."),
        Column("asked_at", TIME, "When the utterance arrived, UTC."),
        Column("answered_at", TIME, "When the action was committed, UTC."),
        Column("source", TEXT, 'How the utterance came, e.g. "message".'),
        Column(
            "retracted", TEXT, "What the bot asked about and the utterance then said anew; null if nothing."
        ),
        Column(
            "chosen", pa.bool_(), "Whether the player chose the action when the bot asked what was meant."
        ),
        Column("action", TEXT, "The action as a string over the listener's letters."),
        Column("game", TEXT, "Name of the game that was played."),
        Column("images", TEXT, "Image set of the game."),
        Column("images_hash", TEXT, "Hash of that set's figures; null for games from before it was kept."),
        Column(
            "difficulty",
            TEXT,
            "What the player chose: near (figures that look alike) or far (different ones); null for any.",
        ),
        Column("code_version", TEXT, "Program that dealt the game; null for games from before it was kept."),
        Column(
            "p_positive", FLOAT, "The binary decoder's probability that the action was right; null if none."
        ),
        Column("cue", TEXT, "What the binary decoder went by; null if none."),
        Column("error", TEXT, "What went wrong in the turn; null, as a turn that fails is not kept."),
    ),
)

HUMAN_EVAL_META = Table(
    "human_eval_meta",
    "Who made each judgement and when; its rows are those of `human_eval`, in the same order.",
    (
        _GAME_TURN_ID,
        Column("rater", TEXT, "Pseudonym of the rater, 32 hex digits."),
        Column("at", TIME, "When it was made, UTC."),
    ),
    not_kept="no turn is judged by people yet",
)

SURVEY = Table(
    "survey",
    "Answers to the exit surveys of studies.",
    (
        _SPEAKER,
        Column("game_id", TEXT, "The player's last game in the study."),
        Column("study", TEXT, "Name of the study."),
        Column("question", TEXT, "Name of the item in the study's file."),
        Column("answer", INT, "The answer, from 1 to the highest of the scale."),
        Column("at", TIME, "When it was given, UTC."),
    ),
    not_kept="no survey is answered yet",
)

QUIZ = Table(
    "quiz",
    "Answers to the quizzes of studies, wrong ones included, in order.",
    (
        _SPEAKER,
        Column("study", TEXT, "Name of the study."),
        Column("question", TEXT, "Name of the question in the study's file."),
        Column("answer", TEXT, "The choice."),
        Column("correct", pa.bool_(), "Whether it is the right one."),
        Column("at", TIME, "When it was given, UTC."),
    ),
    not_kept="no quiz is answered yet",
)

TRUST = Table(
    "trust",
    "What each round found of the trust in the feedback of each player with an exported game, from all their games.",
    (
        _SPEAKER,
        Column("round", INT, "Number of the round of learning, from 1."),
        Column(
            "trust", FLOAT, "Probability that feedback agrees with independent evidence; 0.5 without any."
        ),
        Column("turns", FLOAT, "The evidence, in turns."),
        Column(
            "naming", FLOAT, "Log-likelihood ratio, in nats, of names as others use them, against any names."
        ),
        Column("weight", FLOAT, "Greatest weight of the player's games in what was learnt, 0 to 1."),
        Column("quarantined", pa.bool_(), "Whether the player's games were left out."),
        Column("capped", pa.bool_(), "Whether some were left out because one player had too many."),
    ),
    not_kept="no round has judged players yet",
)

SHAPE = Table(
    "shape",
    "The figures of the image sets that were played with.",
    (
        Column("images", TEXT, "The image set."),
        Column("figure_id", TEXT, "As in `context` and `targets`."),
        Column("polygons", pa.list_(pa.list_(pa.list_(FLOAT))), "Polygons of corners (x right, y down)."),
        Column("pieces", TEXTS, "Piece kind of each polygon; empty where not known."),
        Column("names", TEXTS, "What people call it, the commonest first."),
        Column("licence", TEXT, "Licence of the image set; empty where not known."),
    ),
)

PLAYER = Table(
    "player",
    "PERSONAL: who the pseudonyms are. Written only on explicit request.",
    (
        _SPEAKER,
        Column("platform", TEXT, "Where they play."),
        Column("external_id", TEXT, "Their id there."),
        Column("name", TEXT, "Their name there."),
        Column("locale", TEXT, "Their language there."),
    ),
)

PUBLISHED = (INTERACTION, TURN, HUMAN_EVAL, BINARY, TERNARY)
"""The five tables of the paper's data set."""

TABLES = (
    *PUBLISHED,
    EVENT,
    POLICY,
    POLICY_TURN,
    ASSIGNMENT,
    STUDY,
    TURN_META,
    HUMAN_EVAL_META,
    SURVEY,
    QUIZ,
    TRUST,
    SHAPE,
)
"""All tables without personal data."""
