"""The cues of the rules decoder, as phrases over `Reading.text` ("| yes | the bird |").

Each line is one alternative. `^` is the beginning of a clause, with fillers skipped; `$` is its end; `<NAME>` is a
group of words defined below. All phrases begin and end at word boundaries.
"""

import re
from collections.abc import Mapping

from learner.feedback.rules import lexicon


def _any(*groups: str | frozenset[str]) -> str:
    entries = {word for group in groups for word in (group.split() if isinstance(group, str) else group)}
    return "(?:" + "|".join(re.escape(entry) for entry in sorted(entries)) + ")"


_FILLERS = f"(?:{_any(lexicon.FILLERS)} )*"
_MACROS: Mapping[str, str] = {
    "OPENING": rf"(?<=\A\| )(?:{_any(lexicon.FILLERS)} (?:\| )?)*",
    "OPENER": _any(lexicon.POSITIVE_OPENERS),
    "PRAISE": _any(lexicon.PRAISE_OR_DESCRIPTION),
    "AFTER": _any(lexicon.AFTER_PRAISE),
    "ACKNOWLEDGE": _any(lexicon.ACKNOWLEDGEMENTS),
    "PARTS": _any(lexicon.PARTS),
    "NUMBER": _any(frozenset(lexicon.NUMBERS)),
    "REMOVE": _any(lexicon.DESELECT_VERBS),
    "VERY": "(?:(?:very|so|really|quite|pretty|all|absolutely|totally|that is|that was) )*",
    "STILL": (
        "(?: (?:still|also|all|both|now|really|just|definitely|totally|completely|absolutely|very|actually))*"
    ),
    "IT": (
        "(?:that|this|it|these|those|they|which|you|everything|all)"
        "(?: (?:one|ones|last|time|image|shape|picture|figure|selection|pick|guess|choice))*"
    ),
    "KIND": "(?:good|great|nice|excellent|fantastic|awesome|amazing|wonderful|perfect)",
    "BE": "(?:is|was|are|were|looks?|seems?)",
    "DO": "(?:is|was|are|were|does|do|did|has|have|looks?|seems?|can|could|should)",
    "RIGHT": (
        "(?:right|correct|good|great|perfect|fine|exactly|excellent|awesome|okay|ok|nice|true"
        r"|(?:it|the one)(?= \|| (?:now|then|next|and|so) )"
        "|what i (?:want|wanted|meant|need|needed|had in mind|was looking for)"
        "|(?:the|one of the) (?:right|correct|targets?|ones i))"
    ),
    "CORRECT": "(?:right|correct|good|fine|ok|okay|perfect)",
    "WRONG": "(?:wrong|incorrect)",
    "SELECT": "(?:select|pick|choose|click|get|find)",
    "WANT": (
        "(?:select|pick|choose|click|get|find|want|wanted|need|mean|meant|have|look for|ask|asked|said|say"
        "|describe|take|grab)"
    ),
    "GOES_ON": "(?:now|next|keep|then|also|we|there|i need|the next|select|pick|choose|click|get|find)",
    "DOUBTLESS": "(?:absolutely|definitely|certainly|totally|clearly|obviously|surely|of course|for sure|def)",
    "ALONE": rf"(?<=\A\| )(?:{_any(lexicon.FILLERS)} (?:\| )?)*{_any(lexicon.DISMAY)}(?= \|\Z)",
    "OTHERWISE": "(?<!that )(?<!this )(?<!last )(?<!first )",
    "OTHER_THAN_COUNTED": "(?!(?:one|first|second|third|last|left|top|other) )",
    "GROUP": "(?:them|those|these|the two|the three|the four|the last|your \\w+)",
    "ORDINAL": "(?:first|second|third|fourth|fifth|2nd|3rd|4th|5th)",
}


def _phrases(lines: str) -> re.Pattern[str]:
    """One pattern of all lines."""
    alternatives = []
    for line in filter(None, map(str.strip, lines.splitlines())):
        expanded = re.sub(r"<([A-Z_]+)>", lambda found: _MACROS[found[1]], line)
        expanded = expanded.replace("$", r"(?= \|)").replace("^", rf"(?<=\| ){_FILLERS}")
        alternatives.append(rf"(?<![\w'-])(?:{expanded})(?![\w'-])")
    return re.compile("|".join(alternatives))


IDIOMS_OF_PRAISE = _phrases(
    r"""
    not (?:too |so |half )?bad(?: at all)?
    no (?:doubt|complaints|mistakes?|errors?|notes|questions?(?: about it)?|objections?|cap|lie|joke)
    (?:nothing|not) wrong
    (?:can|could) not (?:be|have been|get|agree|ask for)(?: \w+)? (?:better|more)
    (?:can|could) not (?:fault|complain|argue)(?: (?:that|it|with that|about that))?
    ^no (?:\| )?(?:(?:wait|sorry) (?:\| )?)?(?:that|it|this|you) (?:is|was|are|were) <CORRECT>
    """
)
IDIOMS_OF_NOTHING = _phrases(
    r"""
    no (?:problem|problemo|worries|worry|prob|probs|need|rush|matter|idea|clue|kidding|biggie|pressure)
    never ?mind
    no (?:longer|more|taller|bigger|wider|higher|smaller|shorter)
    """
)

PRAISE = _phrases(
    r"""
    ^<VERY><OPENER>(?! (?:not|no|wrong) )(?! (?:that|it|this|the last|your|them)(?! (?:is|was|one is) ))
    ^<DOUBTLESS>(?! (?:not|no|nope|wrong) )(?= \||<AFTER> )
    ^(?:that|this|it) is (?:him|her|them|my \w+)(?= \|| <AFTER> )
    ^(?:that|this|it) is the (?:one|ones|ticket|spirit|stuff|fella|guy|lad|bunny)(?= \|| <AFTER> )
    ^there (?:it|he|she) is(?= \|| <AFTER> )
    ^(?:here|there|and) we go$
    ^(?:at last|about time|(?:let us|let's|lets?) go+|exactly that|keep (?:going|it up))(?= \|| <AFTER> )
    ^(?:chefs kiss|chef's kiss|ding ding(?: ding)?)(?= \|| <AFTER> )
    ^(?:two|2|three|3|four|4|five|5) for (?:two|2|three|3|four|4|five|5)$
    ^(?:10 (?:\| )?10|100|ten out of ten|plus rep|rep)$
    ^(?:the )?<OTHER_THAN_COUNTED>(?:\w+ ){1,3}(?:is|was|are) (?:right|correct|perfect|good|fine)(?= \|| now )
    ^<VERY><PRAISE>(?= \|| <AFTER> )
    ^<IT> <BE><STILL> <RIGHT>(?! (?:side|hand|facing|leg|arm|foot|looking|of) )
    ^you are (?:right|correct|good|great|perfect|awesome|on|getting|golden|killing)
    ^(?:you are )?doing (?:good|great|well|awesome|fine)
    ^going (?:good|great|well)
    ^you (?:got|have got|nailed|did|found) (?:it|that|this|them|the right)(?! (?:wrong|backwards?) )
    ^(?:got|nailed|love|did) it$
    ^i (?:like|love) (?:it|that)
    ^keep (?:that|it|this|these|those|the|both|all)
    ^(?:that|it) (?:works|will do)
    ^there (?:you|we) go
    ^(?:well done|well played|spot on|right on|right again|so far so good|on the money|way to go|much better)
    ^all (?:good|right|correct)
    ^(?:one|two|three) down
    <KIND> (?:job|work|pick|choice|guess|catch|eye|one|selection|going)$
    (?:that|this|it) (?:one )?(?:is|was) (?:right|correct|perfect)$
    (?:both|all|everything|they|these|those)(?: (?:are|is|were|of them|<NUMBER>))+ (?:right|correct|perfect)
    """
)
BUT = _phrases(
    r"""
    ^<VERY>(?:<OPENER>|<ACKNOWLEDGE>|perfect|nice|right)[^|]{0,30} \| but(?! <GOES_ON> )
    """
)
"""Positive feedback that is limited: "yes, but ..."."""

REJECTION = _phrases(
    r"""
    ^(?:no|nope|nah|nay|noo|nein)(?! (?:(?!no )\w+ )?<PARTS> )
    (?<=\| )(?:(?!with |has |have |having |and |wait )\w+ ){1,3}(?:no|nope|nah)$
    ^(?:nuh|nu|uh|uhn) uh$
    ^<DOUBTLESS> (?:not|no|nope|wrong)
    ^(?:lol|haha|bro|dude|man|girl) (?:no|nope|nah|what)$
    <ALONE>$
    (?<=\| )(?:aw+|ah+|oh+) (?:man|boy|dear|brother|lord)$
    ^(?:are )?you (?:serious|kidding|kidding me|joking|blind|drunk|high|ok|okay|stupid|dumb|for real)
    ^(?:oh )?my (?:god|gosh|goodness|lord)$
    ^(?:terrible|awful|horrible|lousy|poor|worst|bad) (?:pick|choice|guess|one|job|try|selection|move|click|bot|answer)$
    ^(?:terrible|awful|horrible)$
    ^(?:strike (?:one|two|three)|swing and a miss|a? ?miss|missed(?: it)?|epic fail|no cigar|wrongo)$
    ^why (?:that|this|it|those|on earth|in the world)
    ^not even
    ^(?:(?:i|we) )?(?:wanted|meant|needed|asked for|was after|were after|was going for)
    ^(?:it |that |this |which )?(?:should|must|ought to)(?: have| of)? be(?:en)?
    ^(?:it |that |this |which )?(?:was|were) (?:supposed|meant) to(?: have)? be(?:en)?
    ^(?:negative(?! space )|oops|ooops|whoops|woops|uhoh|fail|failed)
    ^no (?:\w+ )?<PARTS> (?:of|view|one)
    ^bad (?:pick|choice|guess|one|job|try|selection|move|click)
    ^(?:bad|false)$
    (?<!with )(?<!who is )(?<!a )wrong(?:ly)?|incorrect(?:ly)?|mistak(?:e|en|enly|es)
    <OPENING><IT> <DO>(?: \w+)? not
    (?:it|that|this)(?: one)? (?:is|was|does|did|do|has) not$
    ^(?:does not|not|do not) (?:match|matching|fit|a match)
    ^you (?:have )?already (?:selected|picked|chose|have)
    not (?:that|this|it|these|those|what|right|correct|exactly what|good|even close)(?! side)
    not the (?:one|right|correct|same|first|last|image|picture|shape|target)(?! side)
    not (?:a target|one of the|in the (?:target|set|list|group))
    ^not (?:the|a|an|that|this|it)
    ^not quite|^not (?:exactly|really|at all|even)$
    try (?:again|another|once|a different|one more|the other|something|harder|to look)
    (?:i|you|we) (?:do|did|should|would|could|have)(?: \w+)? ?not (?:\w+ )?<WANT>(?! (?:any|anything|more) )
    (?:should not have|not supposed to)
    ^(?:please )?(?:do not|never) <WANT> (?:that|this|it|the(?! (?:others|rest)\b)|those|these)
    (?<!when )(?<!what )(?<!where )(?:i|we) (?:said|meant|mean|asked)
    (?<!when )(?<!what )(?<!where )i was (?:talking|describing|looking|referring|asking)
    re-?select
    (?:put|bring) (?:it|that|them|this|that one) back
    <SELECT> (?:it|that|this|that one|this one|the one) (?:again|back)
    <SELECT> the one you (?:just )?(?:deselect|remove|unselect)(?:ed|d)?
    deselected the wrong
    why (?:did|do|would|are) you
    (?:way|far|totally|completely) off
    come on
    you (?:missed|forgot|misunderstood|removed|deselected|unselected|messed|keep)
    look (?:closely|closer|again|carefully|harder)
    worse|cold(?:er)?$
    ^not$|wait (?:\| )?no|thanks for nothing|^yeah (?:\| )?right$
    ^(?:neither|none)(?: of (?:them|those|these|it))?$
    ^(?:why|stop|help)$|^i give up|(?:i|that) makes? no sense
    ugh|argh|wtf|facepalm|nvm
    ^(?:please )?(?:swap|switch|replace|change|redo|ignore|disregard|exclude|omit)(?: (?:that|it|this|the))?
    (?:i|we) do not think(?: so| that)?
    are you sure|seriously
    """
)
MIXED = _phrases(
    r"""
    ^(?:(?:so |very |pretty )?close|almost|nearly|warmer|half|partially|partly|not quite|eh|meh|mid|50 50|fifty fifty)$
    ^(?:almost|nearly|not quite|close) (?:right|correct|there|enough|good|it)
    ^getting (?:there|closer|warmer)
    <KIND> (?:try|effort|attempt)
    (?:half|partly|partially|almost|nearly|somewhat|mostly) (?:right|correct|there|it|good)
    <OTHERWISE>(?:one|two|some)(?: of <GROUP>)? (?:is|are|was|were) <WRONG>
    only (?:\w+ )?(?:of <GROUP> )?(?:is|are|was|were) <CORRECT>
    <OTHERWISE>(?:one|<ORDINAL>|last|left|top) (?:one )?(?:of <GROUP> )?(?:is|was) <CORRECT>(?! (?:side|facing) )
    (?:right|correct|good|all|everything)(?: \w+)? except
    (?:too many|one too|one extra|extra one)
    you (?:also )?(?:chose|picked|selected|clicked|took) (?:two|2|both|three|more|an? (?:extra|second))
    """
)
"""Part of the action was right, part was not."""
COUNT = _phrases(
    r"""
    (?:have|got|there are|that makes)(?: now)? (?P<a><NUMBER>)(?: of <GROUP>)? (?:right|correct)(?! angle)
    <OTHERWISE>(?P<b><NUMBER>)(?: of <GROUP>)? (?:are|were|is|was) (?:right|correct)(?! (?:side|facing) )
    ^(?P<c><NUMBER>) (?:right|correct)$
    ^(?P<d><NUMBER>) out of <NUMBER>
    """
)
SELF_CORRECTION = _phrases(
    r"""
    wait|actually|scratch that|nvm|never ?mind|nevermind|jk|just kidding
    my (?:own )?(?:mistake|bad|fault|apologies|error)
    sorry|oops+|whoops+
    i (?:was wrong|misread|mis-read|misspoke|mistyped|messed up|(?:made|meant) a mistake|take (?:it|that) back)
    """
)
"""After it people say what they really mean: "no wait, yes"."""
ABOUT_EARLIER = re.compile(r"\b(?:first|earlier|previous|before|original)\b")
"""A clause about a selection before the last one."""
GOT = re.compile(
    rf"(?<=\| ){_FILLERS}(?:you )?(?:got|found|have|nailed) (?:the|a|an|my) "
    r"(?P<name>(?:(?!wrong|backward)[^|])+)(?=\|)"
)
"""Says that a figure was found."""

NOUN = _phrases(
    r"(?:the|an?|another|my|his|her|its) (?!(?:<CORRECT>|<WRONG>|one|ones|other|same|last|first)(?:ly)? )\w+"
)
"""An article before what may be a noun."""

RESET = _phrases(
    r"""
    (?:start|starting|begin|beginning) (?:over|again|afresh|anew|from the (?:start|beginning|top))(?! with )
    re-?start|reset|from scratch
    (?:<REMOVE>|clear|cancel) (?:all|everything|every|them all|both|those all|these all)
    (?:<REMOVE>|clear|cancel) the (?:board|lot|whole|entire)
    (?:clear|erase|empty) (?:your|the|all|it|selection|selections|board)
    """
)

DESELECT = re.compile(
    r"(?<![\w'-])(?<!\bthe )(?<!\ba )"
    rf"(?:{_any(lexicon.DESELECT_VERBS)}|get rid of"
    r"|take(?= (?:it|that|this|them)\b[^|]* (?:away|off|out|back)\b)"
    rf"|(?<=\| )(?:(?:can|could|you|now|just|then|also|next|let us|need to) |{_any(lexicon.FILLERS)} )*"
    rf"(?:{_any(lexicon.LOOSE_DESELECT_VERBS)}"
    r"|(?:kill|scrap|scratch|nix|ditch|lose|bin|dump|axe|nuke|trash|forget|skip)(?= (?:it|that|this|them|those)\b)"
    r"|(?:ctrl|control|cmd|command) z|roll (?:it|that|this) back|take (?:it|that|this) back"
    r"|(?:take|throw|leave) (?:away|off|out|back)|go back|roll back"
    r"|put back|turn off|lose(?= the)|(?:i |we |you )?do not (?:need|want|keep)))"
    r"(?![\w'-]) ?(?P<object>[^|]*)"
)
"""A request to deselect, with the rest of its clause."""
INSTEAD = re.compile(
    r"(?:\||\b(?:and|then)) (?:(?:and|then|now|next|please|just|also|go|try) )*"
    r"(?:select|pick|choose|click|get|find|tap|grab|mark|add|look|try|instead|i (?:need|want|mean|meant|said|was|am)"
    r"|(?:it|this|that) (?:is|was|should|looks)|should be|the (?:other|one|correct|right)|a different|another)\b"
)
"""The point after a request to deselect where the utterance continues with what to select."""
ASKS_REMOVAL = re.compile(f"(?:{DESELECT.pattern})|(?:{RESET.pattern})")
PLURAL = _phrases(
    r"""
    all|both|everything|every|any|them|these|those|two|three|four|five|[2-9]|couple|pair|others|rest|clear
    reset|restart|over|ones|s?elections|picks|choices|shapes|images|pictures|figures|pieces
    <REMOVE> .{0,200}and
    """
)
"""A removal request that may mean several figures."""
EARLIER = re.compile(
    r"^(?:please )?(?:the |your |my |that )*(?:very )?"
    r"(?:first|second|third|earlier|older|original|initial|1st|2nd|3rd)\b"
    r"|\b(?:before|earlier|previously|when i|originally|already)\b"
)
"""The object of a removal is an earlier selection."""

RESTORE = _phrases(
    r"""
    <OTHERWISE>(?:was|were) (?:right|correct|fine|good|one of|part of|a target)
    <BE> (?:<RIGHT>|a target) (?:before|earlier|already|previously|until|all along|the first time)
    <SELECT> [^|]{0,200} (?:again|back)$
    (?:put|bring|add|turn|want|need|take) [^|]{0,200} (?:again|back|back in|back on)$
    re-?(?:select|add|click|pick|choose)
    (?:should|must|has to|have to|needs? to) (?:stay|remain|be kept|have (?:stayed|remained|been kept))
    ^keep|(?:wanted?|told|asked) (?:you )?to keep
    """
)
"""Asks for a figure that the action deselected."""

THE_OTHER = re.compile(r"\bthe other (?P<name>[\w'-]+)")
"""Corrects the last pick if that name was in the previous request."""
REPAIR = _phrases(
    r"""
    instead(?! of )
    rather(?! (?:big|small|large|tall|short|long) )
    ^(?:<SELECT> |try )?(?:the )?(?:other|different) (?:one|way|side)
    ^(?:an)?other (?:one|image|shape|similar)(?! (?:is|looks?|has|resembles|seems|appears) )
    ^try(?! (?:and|to) )
    again|actually|more like|nevermind
    (?<!standing )(?<!sitting )(?<!stand )(?<!sit )still
    ^look(?! (?:for|at|like) )
    carefully|pay attention|be careful
    (?:other|opposite|wrong) direction|wrong way
    (?:similar|same|like (?:that|this)) \| but
    (?:it|that) (?:should|must|needs to|has to|is supposed to) be
    (?<=\| )(?:hmm+|wait|sorry|unfortunately)
    same (?:one|thing|shape|image|figure|as before)
    ^(?:flip|mirror|rotate|reverse|turn) (?:it|that|this)
    ^(?:the |a )?(?:flipped|mirrored|mirror|reversed|rotated|opposite|inverted)(?: image)? (?:one|version|image)
    ^(?:the |a )?(?:mirror image|opposite|reverse) of (?:it|that|this)
    (?:to|on) the (?:left|right) of (?:it|that|this)(?: one)?$
    ^(?:the )?(?:one )?(?:next to|beside|above|below|under|over) (?:it|that|this)(?: one)?$
    ^(?:the )?one (?:above|below|over|left|right|up|down)$
    ^(?:facing|looking|pointing) the (?:other|opposite|wrong)
    ^one more time$
    the (?:correct|right) one
    """
)
MOVES_ON = _phrases(
    r"""
    ^(?:please )?(?:next|now|then|also|lastly|finally|last|final|additionally|plus|and|<ORDINAL>)
    ^the (?:next|last|final|remaining|<ORDINAL>)
    ^(?:my|our) (?:next|last|final)
    ^(?:one|two|three) (?:more|to go|left)
    ^another(?! one (?!(?:is|looks?|has|resembles|seems|appears) ))
    ^we (?:also|still|now) need
    ^there (?:is|are) (?:also|one|another|two|a)
    ^(?:mov(?:e|ing) on|on to|onto)
    ^number (?:one|two|three|four|five|[1-5])
    """
)
ELABORATION = _phrases(
    r"""
    ^(?:it|he|she|they|its|hes|shes)(?! (?:will be next|looks|look) )
    ^(?:the one|this one|that one)(?! (?:right|next) )
    ^the (?:shape|image|picture|figure|one) (?:i|you)
    ^(?:there (?:is|are)|has|have|with|think|imagine|more|less|bigger|smaller|taller|shorter|larger|longer)
    ^a (?:bigger|smaller|taller|shorter|larger|longer|wider|thinner|fatter) (?:one|version)
    ^the (?:more|most|bigger|smaller|taller|shorter|larger|longer)
    ^(?:this|that|these|those)(?: one)? (?:is|are|has|have|looks?|seems?|was|were|does|did|might|could)
    """
)
ACCEPTS = re.compile(rf"\| {_FILLERS}{_MACROS['ACKNOWLEDGE']}\b")

DETERMINERS = lexicon.word_set("please the your my out away off back of just a an any also")
"""Skipped before the words that describe what to deselect."""
CONNECTIVES = lexicon.word_set(
    "and or then now again try select choose find get for you what i another other"
)
"""If one of these comes first, the request has no description."""
LATEST = lexicon.word_set("last latest previous recent newest wrong incorrect prior two three")
POINTERS = lexicon.word_set(
    """it that this them those these one ones thing things selection pick choice click guess image shape
    picture figure piece move action answer turn"""
)
"""They refer to the last selection, unless they are part of a description ("that bird", "figure skater")."""
AFTER_POINTER = (
    CONNECTIVES
    | LATEST
    | POINTERS
    | lexicon.word_set(
        "please last for because as so if since tangram item we from which too also asap back away off out"
    )
)
