"""`/export`: the tables of `respect export`, for the bot's owner."""

import io
import json
import zipfile
from pathlib import Path

from bot_house import House

from bot.study import texts
from local_discord import Person
from store.export import SECRET, Format
from store.export.export import export
from store.export.pseudonyms import Pseudonyms


async def test_the_owner_gets_what_respect_export_writes(house: House, ada: Person, tmp_path: Path):
    owner = house.discord.people.person(house.discord.world.app.owner)
    thread = await house.play(ada)
    await house.turn(ada, thread, await house.winning_words(thread))
    await house.settled(thread)
    await owner.slash("play", "export", {"format": "jsonl"})
    answer = await owner.wait_message(lambda message: message.ephemeral)
    assert answer.content == texts.exported(1)
    (attachment,) = answer.attachments
    upload = house.discord.world.file(attachment.id)
    assert upload is not None
    secret = Pseudonyms.from_file(house.settings.store.data_dir / SECRET)
    folder = export(house.database, tmp_path / "same", secret, Format.JSONL).folder
    with zipfile.ZipFile(io.BytesIO(upload.data)) as packed:
        names = {name.split("/", 1)[1] for name in packed.namelist() if not name.endswith("/")}
        tables = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
        assert names == tables
        for name in tables:
            if name.endswith("jsonl"):
                assert packed.read(f"respect-export/{name}") == (folder / name).read_bytes(), name
        manifest = json.loads(packed.read("respect-export/MANIFEST.json"))
    assert manifest["personal"] is False and str(ada.id).encode() not in upload.data
