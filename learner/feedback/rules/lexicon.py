"""Word lists of the rules decoder: plain data for the other modules of `learner.feedback.rules`.

All entries have the form that `normalise.read` produces: lower case, contractions expanded ("is not"), no
punctuation.
"""


def word_set(text: str) -> frozenset[str]:
    """The words of a text."""
    return frozenset(text.split())


POSITIVE_OPENERS = word_set(
    """yes yeah yea yep yup ya yah yas aye yessir correct correctly good great awesome excellent amazing
    wonderful superb exactly indeed bingo nailed yay hooray woohoo bravo thanks thank thx ty absolutely
    definitely affirmative precisely fabulous splendid terrific lovely outstanding impressive kudos
    congrats congratulations success boom w00t agreed yesyes goodjob ofc duh lfg yh ye yass yeppers noice
    perf perfecto purrfect correcto correctamundo yuppers gj slay woot woop copy y bullseye
    jackpot winner facts totally"""
)
"""Positive feedback at the beginning of a clause."""

PRAISE_OR_DESCRIPTION = word_set(
    """perfect nice cool sweet fine right true sure brilliant fantastic solid neat beautiful super wow
    marvelous marvellous ideal accurate stellar sick dope legit clean smart"""
)
"""Positive feedback if alone or before a word of `AFTER_PRAISE`; before a noun it may be a description ("perfect
square")."""

AFTER_PRAISE = word_set(
    """now next job work one ones pick choice catch going so then the a an and but i you that this it select
    pick click choose get find again last try guess move start stuff shot also there lets let we please
    ok okay thanks thank keep on enough exactly here for my yes all selection answer of bro man dude mate
    buddy bot done who what which more another second third fourth fifth final finally look looking is
    are has lastly only remaining to in"""
)

ACKNOWLEDGEMENTS = word_set("ok okay okey okie k kk alright alrighty mhm uhuh gotcha roger")
"""Weak acceptance: a clause that begins with them may still be a rejection."""

DISMAY = word_set(
    """bruh bruv yikes oof ew eww ewww gah bah meh smh crap shoot rats sigh jeez geez welp rip naur huh hm
    what wat wut nada"""
)
"""Nothing else said, these reject: "oof", "oh dear"."""

FILLERS = word_set(
    """oh ah ahh um uh uhm er hm hmm hmmm mm mmm eh well so and but lol lmao haha hahaha hehe heh sorry wait
    please pls plz hey actually alas unfortunately also honestly sadly then now dang damn darn ugh argh
    omg gosh err erm ok okay alright like i think believe just"""
)
"""Skipped at the beginning of a clause."""

REJECTIONS = word_set(
    """no nope nah nay noo naw nop wrong incorrect incorrectly bad nein negative uhoh oops ooops whoops woops false
    mistake error fail failed try"""
)
"""Recognised when stretched ("nooo"). `patterns` defines when they are a rejection."""

PARTS = word_set(
    """head heads arm arms leg legs hand hands foot feet tail tails ear ears wing wings neck nose beak body
    face eyes eye hair hat roof chimney chimneys window windows door doors hole holes gap gaps handle
    handles base bottom top point points corner corners curve curves side sides triangle triangles square
    squares diamond diamonds horn horns fin fins lid legged armed headed sleeves skirt visible limbs limb
    shoulders bump bumps sail sails mast branches leaves flame stem stand lines edge edges space white spaces"""
)
"""After "no" these are a description ("no head, two legs"), unless the clause continues as a correction."""

DESELECT_VERBS = word_set(
    """deselect unselect unclick unpick uncheck unchoose unmark untick deselecting unselecting remove
    removing delete undo"""
)
"""A request to deselect anywhere in a clause. "take away" and similar phrases are in `patterns`."""

LOOSE_DESELECT_VERBS = word_set("drop discard erase toggle revert cancel")
"""A request to deselect only at the beginning of a clause: a figure may "drop a ball"."""

FUZZY = (
    "deselect",
    "unselect",
    "incorrect",
    "correct",
    "perfect",
    "wrong",
    "remove",
    "delete",
    "excellent",
    "undo",
    "nope",
)
"""Long words that are recognised with one typing error."""

NOT_FUZZY = word_set(
    """nose note none node nape name nodes notes noose
    select selected unto collect wring wrung connect corrects perfects removes deletes removed deleted"""
)

VARIANTS: dict[str, str] = {
    variant: word
    for word, variants in {
        "good": "gud",
        "great": "grate",
        "nice": "nise",
        "love": "luv",
        "nope": "nop nuh-uh nu-uh uh-uh",
        "nah": "naw nawh nahh",
        "undo": "ctrl-z cmd-z",
        "deselect": "de-select",
        "unselect": "un-select",
        "unclick": "un-click",
    }.items()
    for variant in variants.split()
}
"""Other spellings of telling words."""

FUNCTION_WORDS = word_set(
    """a an the of on in at to with and or but for from by as is are was were be been being it its this that
    these those there here he she they them his her their him i you we me my your our us one ones two
    some any all both each very more most much many bit little just only really quite kind sort type also
    so then than too not no do does did can could would should will may might must have has had having
    like looks look looking lookin resembles similar seems seem appears appear maybe perhaps probably
    almost about into out up over under off if what which who whose where when while now next last first
    second third fourth fifth final finally again please other another same select selected selecting
    pick picked picking choose chose chosen choosing click clicked clicking get find found take grab need
    want wanted looking trying try go going good great ok okay yes yeah right thing things something
    someone shape shapes image images picture pictures figure figures piece pieces item items object
    symbol tangram tangrams part parts made deselect unselect remove delete undo wrong correct perfect
    nice still think mean meant say said let us describe see there's touch else anything everything
    nothing keep means make sure add still attention careful carefully exactly correctly correct again
    chance game total count thanks thank away back off idk dunno lets whatever"""
)
"""Words that do not help to identify a figure."""

LAYOUT_WORDS = word_set(
    """left right top bottom side sides middle center centre up down upside facing face faces pointing
    points point pointed pointy turned turning upper lower front back end upward upwards downward
    downwards leftward big small large tall short long wide thin thick flat tiny huge skinny half single
    white black straight sideways angle angled slanted vertical horizontal out hanging coming sticking
    extended shaped edge corner sitting standing walking kneeling line lines"""
)
"""Words of place and manner, which fit most figures. Their weight is 1/5 in comparisons of utterances."""

COMMON_NOUNS = word_set(
    """triangle triangles triangular square squares diamond diamonds rectangle rectangular box block person
    people man woman guy lady human girl boy body head leg legs arm arms hand hands foot feet bird animal
    house"""
)
"""Names that several figures of a board may share. Their weight is 2/5."""

TRANSLATIONS: dict[str, str] = {
    word: english
    for english, words in {
        "yes": "si sí oui ouais ja jawohl jep da hai sim tak "
        "evet ano igen kyllä joo そう はい うん 是 是的 对 對 "
        "对的 好 好的 네 예 응 да ага ναι نعم اي हाँ हां ใช่ vâng có כן tá iya haan",
        "good": "bien bueno gut genau super toll perfecto "
        "perfekt parfait genial génial bravo bravissimo ottimo "
        "perfetto bom bem ótimo dobrze dobry хорошо отлично верно правильно молодец goed prima bra vale "
        "claro exacto exactement richtig stimmt korrekt giusto "
        "certo correcto correto bene 正解 不错 很好 正确 "
        "没错 沒錯 いいね よし 좋아 좋아요 맞아 맞아요",
        "no": "non nein nee nej nie não nao niet нет не nem "
        "hayır hayir いいえ いや ちがう 違う 違います ちがいます 不 不是 不对 不對 아니 "
        "아니요 아니오 틀렸어 όχι لا नहीं nahi ไม่ không לא ei ikke",
        "wrong": "falsch faux mal incorrecto errado sbagliato fout "
        "fel źle неправильно неверно mauvais 错 错了 錯 "
        "間違い 틀려 yanlış yanlis erroné equivocado",
        "undo": "deshacer deshaz annuler annule rückgängig zurück "
        "desfazer annulla отмена отмени 撤销 取消 戻して "
        "취소 quitar quita enlever enlève abwählen entfernen убери удали",
        "next": "siguiente suivant nächste nächster nächstes weiter "
        "próximo prossimo ahora jetzt maintenant agora "
        "adesso дальше следующий теперь 下一个 次 次は 다음 ensuite luego",
        "instead": "stattdessen plutôt sondern andere anderer anderes "
        "autre otro otra altro altra outro outra "
        "другой другая другое 另一个 다른",
    }.items()
    for word in words.split()
}
"""Common words for yes and no in other languages, recognised only at the beginning of a clause."""

NUMBERS: dict[str, int] = {
    "none": 0,
    "zero": 0,
    "one": 1,
    "two": 2,
    "three": 3,
    "four": 4,
    "five": 5,
    "both": 2,
    **{str(number): number for number in range(11)},
}
