"""What is an instruction, and what is only about the game or chat."""

import time

import pytest
from bot_house import House, ObedientPolicy, buttons, has_board

from bot import texts
from bot.play.intent import Intent, intent_of
from bot.play.utterances import GiveUp, TypedCommand, Unplayable, Utterance, read
from games.core import Outcome
from local_discord import Person

QUESTIONS = """
Wie spiele ich?
wie geht das hier?
Hilfe!
Was soll ich jetzt schreiben?
ich verstehe das nicht 😕
Was sind die Regeln?
Bist du ein Bot?
Was machst du mit meinen Daten?
Kannst du meine Daten löschen?
how do I play?
How do i play this??
HOW DO I PLAY
how do I paly
hi! how do i play?
hey bot, how does this game work?
ok how do I play
how do we play this game lol
how to play
How do I win?
what do I do
what do i do now?
so what do i do 😅
what shuold i do
what am I supposed to do here?
what now?
help
Help!
HELP ME PLS
hlep
help 😭
<@42> help
i need help
can you help me
explain the rules please
can you explain how to play?
what’s this?
what are the rules
**rules**
I don’t get it
I dont undrestand
i don’t know what to do
idk how to play this game
what does the star mean
what does the ★ mean?
what do the ⭐ mean
can you see the stars?
are you a bot?
who are you
is this learning from me?
what do you learn
do you save what I write?
are you recording this
is this game recorded?
who can see my data
what happens to my data?
can you delete my data
"""
TURNS_LEFT = """
how many turns are left
How many turns do we have left?
how many tries left??
lol how many more guesses do I get
Do we have any turns left?
turns left?
are there any turns left??
how many turns are remaining
Wie viele Züge bleiben noch?
wie viele Züge habe ich noch?
"""
GIVING_UP = """
Ich gebe auf
ich geb auf!
aufgeben
Ich möchte nicht mehr
Spiel beenden
I give up
i give up!
I GIVE UP 😭
give up
giving up
I’m giving up
i giev up
lol i give up
ok i give up
how do I give up?
i quit
Quit
quit the game
end the game
end teh game
End this game.
please end the game
stop the game
lets stop playing
can we stop?
i want to stop
I don’t want to play anymore
new game
can I start a new game?
"""
CHAT = """
Hallo zusammen!
Danke dir 😄
Moment bitte
Tschüss
gute Nacht haha
lol
LOL!!!
lolol
lmao
xD
haha
hahahahaha
hahaha that’s funny
😂
🤣🤣
lol 😂
hi!
Hi
hiiii
hi 👋
hello
Hello there
heyyy
hey bot
good morning
brb
brb one sec
one sec
hold on
wait
thanks
Thanks!
thanks 😊
thanks a lot
thanks bot
thanks man
thnaks
thank you
thx
ty!
gg
good game!
bye
this is fun
i love this game
Good morning! Shall we begin?
lol these look weird
haha They’re all so strange
Let’s go!
I’m ready
"""
INSTRUCTIONS = """
they look like two swans
the weird one
those are cool
let’s do it
how many left
let’s start with the swan
hallo, der kniende Mann
das Spielbrett
ein Engel mit Halo
der gibt auf
ok
Okay
yes
YES!
no
nope
wrong
Wrong!
yep lol
ok thanks
thanks yes
thanks 👍
lol 👍
yes lol
no lol
lol no, the other one
lol wrong
haha nope
haha good
that’s funny, no
good
nice one
cool
done
sorry
huh
why?
stop
undo
undo that
cancel
start over
restart
again
no i give up
hey, that’s wrong
wait no
wait, the other
thanks, now the duck
hi, the kneeling man
help me: the tall one
help the man
a bird, thank you
"hi"
“hi”
‘hello’
the one saying hi
man waving hi
hi man
Hello, man
a greeting man
someone laughing
someone calling for help
someone who wants to give up
a man giving up
hands up
surrender
resigned man
someone waving goodbye
a man waiting
hanging on a rope
person playing
someone playing a game
the game piece
stop sign
exit
the end
end piece
star
the stars
target
ruler
tanks
thank
cello
kelp
yo-yo
high five
hello kitty
what about the boat
how about the duck
i don’t know
you’re wrong
a robot
a human
do you see the boat
a man who can see
keep it
are you using the boat
👍
👎
👋
🐕
😄
✅
"""


def phrases(listed: str) -> list[str]:
    return [line for line in listed.splitlines() if line]


@pytest.mark.parametrize("written", phrases(QUESTIONS))
def test_what_asks_about_the_game_is_a_question(written: str):
    assert intent_of(written) is Intent.QUESTION
    assert read(written) == Unplayable(texts.HOW_TO_GO_ON)


@pytest.mark.parametrize("written", phrases(TURNS_LEFT))
def test_who_asks_for_the_turns_left_is_told_where_to_look(written: str):
    assert intent_of(written) is Intent.TURNS_LEFT
    assert read(written) == Unplayable(texts.TURNS_LEFT)


@pytest.mark.parametrize("written", phrases(GIVING_UP))
def test_what_wants_to_end_the_game_has_to_be_confirmed(written: str):
    assert read(written) == GiveUp()


@pytest.mark.parametrize("written", phrases(CHAT))
def test_chat_is_left_alone(written: str):
    assert intent_of(written) is Intent.CHAT
    assert read(written) is None


@pytest.mark.parametrize("written", phrases(INSTRUCTIONS))
def test_everything_else_is_an_instruction(written: str):
    assert read(written) == Utterance(written)


@pytest.mark.parametrize("first", phrases(QUESTIONS + TURNS_LEFT + GIVING_UP + CHAT)[::7])
@pytest.mark.parametrize("second", ["the kneeling man", "no, the other one", "yes"])
def test_what_has_an_instruction_beside_it_is_played(first: str, second: str):
    assert read(f"{first}, {second}") == Utterance(f"{first}, {second}")
    assert read(f"{second}. {first}") == Utterance(f"{second}. {first}")


@pytest.mark.parametrize("written", ["/play", "/round start", "/HELP", "/giveup now", " /rules"])
def test_a_command_sent_as_a_message_is_no_instruction(written: str):
    assert read(written) == TypedCommand(written.strip().removeprefix("/"))


@pytest.mark.parametrize("written", ["/\\ a roof", "the one like / and \\", "a/b"])
def test_a_slash_alone_is_no_command(written: str):
    assert read(written) == Utterance(written)


@pytest.mark.parametrize(
    "unit",
    ["ha", "hi ", "bye ", "lmfao ", "wait one sec ", "thanks a lot ", "please ", "lol ", "i ", "(", "how "],
)
def test_a_long_message_is_read_in_no_time(unit: str):
    started = time.perf_counter()
    intent_of((unit * 120)[:119] + "x")
    assert time.perf_counter() - started < 0.5


async def test_what_is_no_instruction_costs_no_turn(house: House, ada: Person, policy: ObedientPolicy):
    thread = await house.play(ada)
    listed = [each for guild in house.discord.world.commands.values() for each in guild.values()]
    commands = {each["name"]: each for each in listed}
    play, start = (f"</play:{commands['play']['id']}>", f"</round start:{commands['round']['id']}>")
    rounds = [start.replace("start", each["name"]) for each in commands["round"]["options"]]
    for written in ("lol", "Hi!", "brb", "thanks 😊"):
        await ada.say(thread, written)
    for written, answer in (
        ("How do I play?", texts.HOW_TO_GO_ON),
        ("/round start", texts.typed_command(start)),
        ("/Play game:pick", texts.typed_command(play)),
        ("/round", texts.typed_command(", ".join(rounds))),
        ("/tp @everyone", texts.typed_command(None)),
        ("what’s this", texts.HOW_TO_GO_ON),
    ):
        said = await ada.say(thread, written)
        reply = await ada.wait_message(where=thread)
        assert reply.content == answer and not reply.mentions
        assert reply.reference and reply.reference["message_id"] == str(said.id)
    await house.turn(ada, thread, "select A")
    assert [turn.utterance for turn in await house.turns(thread)] == ["select A"]
    assert [asked.utterance for asked in policy.asked] == ["select A"]


async def test_the_form_answers_a_question_too(house: House, ada: Person):
    thread = await house.play(ada)
    for written, answer in (
        ("help!", texts.HOW_TO_GO_ON),
        ("/nothing", texts.typed_command(None)),
        ("I give up", texts.GIVE_UP_SURE),
    ):
        await ada.press_labelled(house.boards(ada, thread)[0], "Describe")
        await ada.submit_modal(await ada.wait_modal(), {"utterance": written})
        reply = await ada.wait_message(lambda message: message.ephemeral)
        assert reply.content == answer
    assert buttons(reply) == ["Yes, give up", "No, go on"]
    assert not await house.turns(thread)


async def test_i_give_up_asks_and_goes_on_or_ends_the_game(house: House, ada: Person, bob: Person):
    thread = await house.play(ada)
    await ada.say(thread, "I give up 😭")
    sure = await ada.wait_message(lambda message: message.content == texts.GIVE_UP_SURE, where=thread)
    await bob.press_labelled(sure, "Yes, give up")
    assert (await bob.wait_message(lambda message: message.ephemeral)).content == texts.not_yours(str(ada.id))
    await ada.press_labelled(sure, "No, go on")
    await ada.wait_message(lambda message: message.content == texts.NOT_GIVEN_UP, where=thread)
    await house.turn(ada, thread, "select A")
    await ada.say(thread, "end the game")
    sure = await ada.wait_message(lambda message: message.content == texts.GIVE_UP_SURE, where=thread)
    await ada.press_labelled(sure, "Yes, give up")
    assert "Given up after 1 turn" in (await house.next_board(ada, thread)).content
    assert (await house.settled(thread)).outcome is Outcome.GIVEN_UP


async def test_a_question_asked_while_the_bot_was_away_is_answered_once(house: House, ada: Person):
    thread = await house.play(ada)
    await house.stop()
    await ada.say(thread, "help")
    await ada.say(thread, "lol")
    for _ in range(2):
        await house.start()
        await house.stop()
    answers = [message for message in ada.history(thread) if message.content == texts.HOW_TO_GO_ON]
    assert len(answers) == 1 and not await house.turns(thread)


async def test_a_queued_instruction_that_is_edited_into_a_question_is_not_played(
    house: House, ada: Person, policy: ObedientPolicy
):
    thread = await house.play(ada)
    policy.open.clear()
    await ada.say(thread, "select A")
    second = await ada.say(thread, "select B")
    third = await ada.say(thread, "lol")
    await house.eventually(lambda: policy.asked)
    await ada.edit(second, "what do I do?")
    await ada.wait_message(lambda message: message.content == texts.HOW_TO_GO_ON, where=thread)
    await ada.edit(third, "select C")

    async def waiting() -> bool:
        return await house.waiting(thread) == ["select A", "select C"]

    await house.eventually(waiting)
    policy.open.set()
    await house.eventually(lambda: len(house.boards(ada, thread)) == 3)
    assert [turn.action for turn in await house.turns(thread)] == ["select A", "select C"]


# --- after the end --------------------------------------------------------------------------------------


async def test_a_finished_games_thread_answers_once(house: House, ada: Person, bob: Person):
    thread = await house.play(ada)
    await house.turn(ada, thread, await house.winning_words(thread))
    await house.settled(thread)

    def answers() -> int:
        return sum(message.content == texts.GAME_WAS_OVER for message in ada.history(thread))

    await ada.say(thread, "gg!")
    await bob.say(thread, "the tall one")
    await house.stop()
    await house.start()
    said = await ada.say(thread, "now the duck")
    reply = await ada.wait_message(where=thread)
    assert reply.content == texts.GAME_WAS_OVER and "/play" in reply.content and not reply.mentions
    assert reply.reference and reply.reference["message_id"] == str(said.id)
    await ada.say(thread, "the duck!!")
    await house.stop()
    await house.start()
    await ada.say(thread, "hello? the duck")
    other = await house.play(bob)
    await house.turn(bob, other, "select A")
    assert answers() == 1 and len(await house.turns(thread)) == 1


# --- rules and mentions ---------------------------------------------------------------------------------


async def test_rules_come_with_a_picture(house: House, ada: Person):
    await ada.slash("general", "rules")
    answer = await ada.wait_message(lambda message: message.ephemeral)
    (picture,) = answer.attachments
    assert "★" in answer.content and texts.RULES_EXAMPLE in answer.content
    assert picture.filename == "example.png" and picture.description
    assert len(answer.content) <= texts.LONGEST_MESSAGE and len(picture.description) <= 1024


async def test_a_mention_is_answered_anywhere(house: House, ada: Person, bob: Person):
    me = f"<@{house.discord.world.app.user.id}>"
    thread = await house.play(ada)
    for person, where, written in (
        (bob, "general", f"{me} help"),
        (bob, "general", f"hey {me} how do I play this?"),
        (bob, thread, f"{me} what is this?"),
    ):
        said = await person.say(where, written)
        reply = await person.wait_message()
        assert reply.reference and reply.reference["message_id"] == str(said.id)
        assert reply.content.startswith("**How to play**") and not reply.mentions
    await ada.say(thread, f"{me} help")
    assert (await ada.wait_message(where=thread)).content == texts.HOW_TO_GO_ON
    await house.turn(ada, thread, f"{me} select A")
    assert [turn.utterance for turn in await house.turns(thread)] == ["select A"]


async def test_talk_without_the_bots_name_and_many_mentions_are_left_alone(
    house: House, ada: Person, bob: Person
):
    me = f"<@{house.discord.world.app.user.id}>"
    await bob.say("general", "help! how do I play this?")
    for _ in range(6):
        await bob.say("general", f"{me} hi")
    thread = await house.play(ada)
    await house.turn(ada, thread, "select A")
    await bob.say(thread, "I would take the boat", reply_to=house.boards(ada, thread)[0])
    await house.turn(ada, thread, "select B")
    said = [message for message in bob.history("general") if message.author is not bob.user]
    assert len([message for message in said if message.content.startswith("**How to play**")]) == 3
    assert len(ada.history(thread)) == len(house.boards(ada, thread)) + 3
    assert not [message for message in ada.history(thread) if not has_board(message) and message.author.bot]


async def test_the_first_game_of_a_player_explains_itself(house: House, ada: Person):
    thread = await house.play(ada)
    assert texts.FIRST_GAME in house.boards(ada, thread)[0].content
    await house.turn(ada, thread, await house.winning_words(thread))
    await house.settled(thread)
    second = await house.play(ada)
    assert texts.FIRST_GAME not in house.boards(ada, second)[0].content
