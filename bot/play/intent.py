"""Recognises messages that are only about the game, or only chat. Such a message is not an instruction.

In doubt a message is an instruction: everything in it has to be about the game or chat. So "hi, the kneeling man",
"help me: the tall one", "ok" and "no lol" are played, and so is what stands in quotation marks.
"""

import re
from enum import Enum, auto

from games.emoji import MEANINGS
from games.words import emoji_named, plain

LONGEST = 120
"""Characters above which a message is not looked at."""


class Intent(Enum):
    """What a message that is no instruction is about."""

    QUESTION = auto()
    """How to play, or what is kept of it."""
    TURNS_LEFT = auto()
    """How many turns are left."""
    GIVE_UP = auto()
    """Asks to end the game."""
    CHAT = auto()


def intent_of(text: str) -> Intent | None:
    """The intent of a message as it was typed; None for an instruction."""
    words = plain(text)
    if len(words) > LONGEST or '"' in words or re.search(r"(?<!\w)'|'(?!\w)", words):
        return None
    words = emoji_named(_STAR.sub(" star ", words)).lower().replace("'", "")
    tokens = [_unstretched(token) for token in _TOKEN.findall(words)]
    said = " ".join(tokens)
    for intent, pattern in _GERMAN.items():
        if pattern.fullmatch(said) or pattern.fullmatch(_AFTER.sub("", said)):
            return intent
    for given in (tokens, [_spelt(token, alone=len(tokens) == 1) for token in tokens]):
        said = " ".join(given)
        if _CHAT.fullmatch(said):
            return Intent.CHAT
        for core in (said, _AFTER.sub("", _BEFORE.sub("", said))):
            if _QUESTION.fullmatch(core):
                return Intent.QUESTION
            if _TURNS_LEFT.fullmatch(core):
                return Intent.TURNS_LEFT
            if _GIVE_UP.fullmatch(core):
                return Intent.GIVE_UP
    return None


def _unstretched(token: str) -> str:
    return re.sub(r"([a-z])\1{2,}", r"\1\1" if token[:1] in "xl" else r"\1", token)


def _any(phrases: str) -> str:
    """One pattern for phrases that are separated by line breaks."""
    return "(?:" + "|".join(line.strip() for line in phrases.strip().splitlines()) + ")"


_TOKEN = re.compile(r":[\w+-]+:|[^\W_]+(?:-[^\W_]+)*")
_STAR = re.compile("[★⭐]")
_GAME = r"(?:(?:the|this|that|our|my|your) (?:whole )?(?:game|round|match)|game)"
_IT = rf"(?:{_GAME}|this|it|(?:this|the) thing)"
_MOMENT = r"(?:sec|second|moment|min|minute)"

_LAUGHTER = _any(
    r"""
    a?h?(?:ha)+h?|b(?:wa)?haha(?:ha)*|(?:he){2,}h?|(?:hi){2,}|heh|lo+l+(?:o+l+)*|lmf?ao+|rofl|xd+|kek|lel|lulz?
    :joy:|:rofl:|:rolling_on_the_floor_laughing:|:laughing:|:sweat_smile:|:joy_cat:
    """
)
_WHO = r"(?: (?:there|bot|all|everyone|everybody|guys|folks|again|buddy|mate|dude))?"
_ODD = (
    "(?:(?:so |really |very |all |pretty |kinda )*(?:weird|strange|funny|odd|abstract|hard|difficult|tricky))"
)
_CHAT_UNIT = _any(
    rf"""
    {_LAUGHTER}
    (?:hi+|hey+|hello+|hiya|heya|howdy|yo|good (?:morning|evening|afternoon|day)|gm){_WHO}
    (?:whats up|how are you(?: doing)?(?: today)?|how r u|nice to meet you)
    (?:thanks|thank (?:you|u)|thankyou|thx|thnx|ty|tysm|tyvm)(?: (?:a lot|so much|very much|you))?(?: man|{_WHO})
    brb|bbl|bbs|afk|gtg|g2g|ttyl|cya|bye{_WHO}|goodbye|see (?:you|ya|u)(?: (?:later|soon))?
    good night|gn|(?:ill |i will )?be right back|(?:i am |im )back now|im back
    (?:(?:just|give me|gimme|hold on|wait|hang on) a|(?:(?:just|give me|gimme) )?(?:one|1)) {_MOMENT}
    (?:(?:ill |i will )?be )?back in a {_MOMENT}
    (?:hold|hang) on(?: please)?|wait
    ggs?|good game|wp|glhf|gl|good luck|have fun
    (?:this|that) (?:is|was) (?:so |really |very |too )?(?:much )?(?:fun|funny|hilarious)
    (?:thats|thiss|its) (?:so |really |very |too )?(?:much )?(?:fun|funny|hilarious)
    (?:i )?(?:love|like|enjoy) (?:the|this) game(?: (?:so much|a lot))?
    (?:shall|should) we (?:begin|start|play|go)(?: now)?
    (?:are you |i ?am |im |we ?are )?ready(?: to (?:play|go|start))?
    lets (?:begin|start|play|go|get started)(?: now)?
    (?:theyre|(?:these|those|they)(?: (?:figures|pictures|shapes|ones))?(?: all)? (?:look|are|r)) {_ODD}
    """
)
_VERDICTS = frozenset(
    (
        *(
            "+1",
            "100",
            "ballot_box_with_check",
            "clap",
            "dart",
            "handshake",
            "heavy_check_mark",
            "ok",
            "ok_hand",
        ),
        *("thumbsup", "white_check_mark"),
    )
)
"""Emoji that say yes, even after thanks. Others only smile there, though alone they say yes too."""
_SMILE = _any(
    "\n".join(f":{name}:" for name, meaning in MEANINGS.items() if meaning == "yes" and name not in _VERDICTS)
    + "\n:wave:|:wink:|:sparkles:|:skull:"
)
# Atomic groups: each word is read once, or a long row of "bye bye bye" would take minutes.
_CHAT = re.compile(rf"(?:{_SMILE} )*+(?>{_CHAT_UNIT}(?: |$))(?>(?:{_CHAT_UNIT}|{_SMILE})(?: |$))*+")

_YOU = r"(?:i|we|you|u|one)"
_KEPT = rf"(?:what (?:i|we) (?:write|say|type)|(?:my|our) (?:data|words|messages|games?)|me|us|{_IT})"
_KEEP = r"(?:save|store|keep|record|log|learn(?: from)?|train on|use)"
_NOW = r"(?: (?:now|next|here|first|then|again|in (?:this|the) game))*"
_DO = r"(?:do|say|write|type|describe)"
_CAN_YOU = r"(?:(?:can|could|would|will) (?:you|u|someone|somebody|anyone|anybody) (?:please )?)?"
_QUESTION = re.compile(
    _any(
        rf"""
        {_CAN_YOU}help(?: help)*(?: me)?(?: out)?
        (?:i )?(?:need|want|would like) (?:some |a bit of |your )?help(?: (?:with|playing) {_IT})?
        {_CAN_YOU}explain(?: to me)?(?: the rules| {_IT}| how {_IT} works)?
        {_CAN_YOU}(?:explain|tell|show)(?: to)?(?: me)? how (?:to|i|we) play(?: {_IT})?
        how (?:do|can|should|would|must) {_YOU} (?:even )?(?:play|start|begin|win)(?: {_IT})?{_NOW}
        how (?:to|2) (?:play|start|begin|win)(?: {_IT})?{_NOW}
        how (?:does|do|did) {_IT} (?:even )?works?
        how (?:is {_IT}|{_IT} is) played|how {_IT} works
        how am i (?:supposed|meant) to (?:play|win)(?: {_IT})?
        {{UNSURE}} (?:how to play(?: {_IT})?|how {_IT} works|the rules|{_IT})
        {{UNSURE}} what (?:to|(?:i am|im|i have) (?:supposed |meant )?to) {_DO}{_NOW}
        i (?:dont|do not) (?:understand|get it)|im (?:so |very |really )?(?:confused|lost)
        what (?:do|should|can|must|shall) (?:i|we) (?:even |have to |need to )?{_DO}{_NOW}
        what (?:am i|are we|im i) (?:supposed|meant) to {_DO}{_NOW}
        what(?:s| is| are) the (?:rules?|aim|goal|point|objective)(?: of {_IT}| here)?
        what(?:s| is) (?:this|{_GAME})(?: all)?(?: about)?|whats (?:going on|happening)(?: here)?
        what now|now what
        (?:the )?(?:rules|instructions)|tutorial
        what (?:do|does|is|are|s) the (?:stars?|targets?|marks?)(?: mean| for)?|whats the star(?: for)?
        (?:can|do) (?:you|u) (?:see|know) (?:the |my |which (?:ones )?(?:are )?(?:the )?)?(?:stars?|targets?)
        (?:are|r) (?:you|u) (?:a |an )?(?:real )?(?:bot|human|ai|robot|person|real|there)
        (?:who|what) (?:are|r) (?:you|u)
        (?:(?:what )?(?:do|will) (?:you|u)|are you going to) {_KEEP}(?: {_KEPT})?
        (?:are you|is {_IT}) (?:learning|training|recording|saving|storing)(?: (?:(?:from|on) )?{_KEPT})?
        (?:is|are|will) {_KEPT} (?:being |be )?(?:recorded|saved|stored|kept|logged|shared|used)
        (?:who (?:can )?(?:sees?|reads?)|what (?:happens|do you do) (?:to|with)) {_KEPT}
        (?:{_CAN_YOU}|how (?:do|can) i )(?:delete|erase|export) my (?:data|words|messages|games?)
        """.replace(
            "{UNSURE}", "(?:idk|(?:i )?(?:dont|do not|didnt) (?:even )?(?:know|understand|get|remember))"
        )
    )
)

_TURNS = "(?:turns|tries|guesses|attempts|chances)"
_LEFT = "(?:left|remain|remaining|to go)"
_TURNS_LEFT = re.compile(
    _any(
        rf"""
        how many (?:more )?{_TURNS} (?:(?:do|have) (?:i|we|you)|are)(?: still)?(?: (?:there|have|got|get))?(?: {_LEFT})?
        how many (?:more )?{_TURNS}(?: {_LEFT})?|{_TURNS} {_LEFT}
        (?:(?:do|have) (?:i|we)|are there) (?:still )?(?:(?:have|got) )?(?:any|more|any more|some) {_TURNS}(?: {_LEFT})?
        """
    )
)

_I_WANT = _any(
    """
    i want|i wanna|id like|i would like|can i|can we|can you|could you|could we|may i|how (?:do|can) (?:i|we)|how
    i|we|ill|i will|lets|let us
    """
)
_GIVE_UP = re.compile(
    _any(
        rf"""
        (?:{_I_WANT} (?:to )?)?(?:give up|quit)(?: (?:on )?{_GAME})?(?: now| here)?
        (?:i am |im )?giving up(?: now)?
        i (?:surrender|resign|forfeit)|forfeit {_GAME}
        (?:{_I_WANT} (?:to )?)?(?:please )?(?:end|stop|quit|cancel|abort|exit|leave) (?:{_GAME}|playing)(?: now)?
        {_I_WANT} (?:to )?stop(?: here| now)?
        (?:i )?(?:dont|do not) (?:want to|wanna) play(?: {_IT})?(?: any ?more)?|im (?:done|finished) playing(?: {_IT})?
        (?:{_I_WANT} (?:to )?)?(?:(?:have|get|start|play|give me) )?(?:a |an )?(?:new|another|different) game
        """
    )
)
_BEFORE = re.compile(
    rf"^(?:(?:{_CHAT_UNIT}|{_SMILE}|so|well|um|uh|uhm|er|hm+|oh|ah|ok|okay|please|pls|plz|sorry|excuse me|and|but|bot"
    r"|dude|bro|guys|argh|ugh|omg) )+"
)
_AFTER = re.compile(
    rf"(?: (?:{_LAUGHTER}|{_SMILE}|please|pls|plz|thanks|thank you|thx|ty|bot|then|anyway|though|tho|dude|bro|man"
    r"|guys|sorry|exactly|again|:[\w+-]*(?:face|sob|cry|weary|frown|thinking|pleading|confused)[\w+-]*:))+$"
)

_SPIEL = "(?:das|dieses|unser|mein) spiel"
_GERMAN_UNIT = _any(
    rf"""
    {_LAUGHTER}
    (?:hallo|hallöchen|moin|servus|guten (?:morgen|tag|abend))(?: (?:bot|zusammen|alle|ihr))?
    danke(?:schön| schön| dir)?(?: sehr)?|vielen dank|tschüs+|tschau|ciao|bis (?:später|gleich|bald|dann)
    gute nacht|viel (?:glück|spaß|spass|erfolg)|gutes spiel|das (?:war|ist|macht) (?:sehr )?(?:lustig|spaß|spass)
    (?:einen? )?moment(?: bitte)?|warte(?: mal)?(?: kurz)?|bin gleich (?:wieder )?(?:da|zurück)
    """
)
_GERMAN = {
    Intent.CHAT: re.compile(
        rf"(?:{_SMILE} )*+(?>{_GERMAN_UNIT}(?: |$))(?>(?:{_GERMAN_UNIT}|{_SMILE})(?: |$))*+"
    ),
    Intent.QUESTION: re.compile(
        _any(
            rf"""
            (?:bitte )?hilfe(?: bitte)?|(?:kannst du mir|kann mir jemand) (?:bitte )?helfen
            wie (?:spiele? ich|spielt man|fange ich an|gewinne? ich|gewinnt man)(?: das| hier| {_SPIEL})?
            wie (?:geht|funktioniert) (?:das|es|{_SPIEL})(?: hier)?
            was (?:soll|muss|kann) ich (?:hier |jetzt |denn )*(?:tun|machen|schreiben|sagen)(?: jetzt)?
            was (?:sind|ist) (?:die|hier die) (?:spiel)?regeln|(?:die )?(?:spiel)?regeln|anleitung|was ist das(?: hier)?
            (?:ich )?versteh(?:e)? (?:das|es|{_SPIEL}|die regeln) nicht|(?:und )?was jetzt|wie weiter
            bist du (?:ein |eine )?(?:bot|mensch|echt|ki|roboter)|wer bist du
            lernst du (?:von mir|aus dem,? was ich (?:schreibe|sage)|aus {_SPIEL}|etwas davon)
            (?:was machst du|was passiert) mit (?:meinen (?:daten|worten|nachrichten)|dem,? was ich (?:schreibe|sage))
            speicherst du (?:das|was ich (?:schreibe|sage)|meine (?:daten|nachrichten))
            (?:kannst du|wie kann ich) meine (?:daten|nachrichten|spiele) (?:bitte )?(?:löschen|exportieren)
            """
        )
    ),
    Intent.TURNS_LEFT: re.compile(
        _any(
            """
            wie ?viele (?:züge|versuche) (?:habe? ich|haben wir|bleiben mir|bleiben uns|sind)(?: noch)?(?: übrig)?
            wie ?viele (?:züge|versuche) (?:bleiben |gibt es )?noch(?: übrig)?
            """
        )
    ),
    Intent.GIVE_UP: re.compile(
        _any(
            rf"""
            ich (?:gebe?|geb) (?:jetzt )?auf|(?:ich (?:will|möchte|würde gerne?) )?aufgeben
            (?:ich )?(?:will|möchte|mag) (?:nicht mehr(?: spielen)?|(?:jetzt )?aufhören)|ich höre (?:jetzt )?auf
            (?:(?:das )?spiel|{_SPIEL}) (?:bitte )?(?:beenden|abbrechen)
            (?:(?:bitte )?beende|brich) {_SPIEL}(?: ab)?|(?:ein )?neues spiel(?: bitte)?
            """
        )
    ),
}
"""Patterns of what Germans write. They are read without correcting typing errors, which is for English words."""

_WORDS = frozenset(
    word
    for pattern in (_CHAT_UNIT, _QUESTION.pattern, _TURNS_LEFT.pattern, _GIVE_UP.pattern)
    for word in re.findall(r"(?<![\\\[\w])[a-z]{3,}", re.sub(r":[a-z_]{2,}:", " ", pattern))
)
_LONG = 5
"""Letters of a word in which a letter may be missing, added or wrong. In shorter ones, two may be swapped."""


def _spelt(token: str, alone: bool) -> str:
    """A word of the phrases above with one typing error corrected.

    In a message of one word only two swapped letters are: a "cello" is not a "hello", and "tanks" are no "thanks".
    """
    if token in _WORDS or not token.isascii() or not token.isalpha():
        return token
    found = {word for word in _WORDS if _swapped(token, word)}
    if not found and not alone:
        found = {word for word in _WORDS if len(word) >= _LONG and word != "thanks" and _slipped(token, word)}
    return found.pop() if len(found) == 1 else token


def _swapped(typed: str, meant: str) -> bool:
    """Whether two letters beside each other were swapped."""
    if len(typed) != len(meant):
        return False
    other = [at for at, letter in enumerate(typed) if letter != meant[at]]
    return len(other) == 2 and other[1] == other[0] + 1 and sorted(typed) == sorted(meant)


def _slipped(typed: str, meant: str) -> bool:
    """Whether one letter is missing, added or wrong."""
    if typed[0] != meant[0] or abs(len(typed) - len(meant)) > 1:
        return False
    start = next(
        (at for at, (one, other) in enumerate(zip(typed, meant, strict=False)) if one != other),
        min(len(typed), len(meant)),
    )
    a, b = typed[start:], meant[start:]
    return a[1:] == b[1:] or a[1:] == b or a == b[1:]
