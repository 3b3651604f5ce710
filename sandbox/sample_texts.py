# ruff: noqa: RUF001 - the letters are those of the languages
"""What the people of the sample organizations write to each other."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Topic:
    subject: str
    opening: str
    folder: str = "Inbox"


TOPICS = (
    Topic("Budget for the third quarter", "The figures are attached; page two is the one to read."),
    Topic("Angebot für die Kühlanlage", "Anbei das überarbeitete Angebot mit den neuen Preisen."),
    Topic("Falcon: test of the second prototype", "It ran nine hours.", "Inbox/Projects/Falcon"),
    Topic("来月の会議について", "来月の会議の日程を添付しました。ご確認ください。"),
    Topic("Invoice 20417 is due", "The invoice was booked twice, please look.", "Inbox/Invoices"),
    Topic("Запуск в понедельник", "Сервер готов, начинаем в понедельник утром."),
    Topic("Moving to the new floor", "The boxes come on Thursday, the plan is attached."),
    Topic("Falcon: Lieferung verschoben", "Kommt erst in KW 42.", "Inbox/Projects/Falcon"),
    Topic("اجتماع الفريق", "نلتقي يوم الأربعاء في الساعة العاشرة في قاعة الاجتماعات."),
    Topic("Contract with the energy supplier", "Clause 7 is new, see the mark.", "Archive/2026"),
    Topic("Réunion de lancement", "Voici le compte rendu de la réunion d’hier."),
    Topic("Photos from the fair 📷", "The best ones are attached, the others are on the share."),
    Topic("Πρόσκληση για το σεμινάριο", "Το πρόγραμμα του σεμιναρίου είναι έτοιμο."),
    Topic("Falcon: open questions", "Five are left.", "Inbox/Projects/Falcon"),
    Topic("Zmiana adresu w umowie", "Proszę o aktualizację adresu w załączonej umowie."),
)

SENTENCES = (
    "I have gone through the list twice and there are three points that we should settle before "
    "the end of the week; the first two are small, the third one is about the date of delivery.",
    "Can you tell me who signed for it? The warehouse has no paper, and the driver says that he "
    "handed it over at the side entrance a little after four.",
    "Die Zahlen vom letzten Monat sind noch nicht vollständig, ich reiche sie bis Freitag nach.",
    "The supplier confirmed the new price in writing. It holds until the end of the year, so there "
    "is no need to order everything now, but I would not wait for December either.",
    "私のほうで確認してから、もう一度ご連絡いたします。",
    "If nobody objects until noon tomorrow I will answer them as we discussed and put you in copy.",
    "Please keep this between us until the board has decided; after that it can go to everyone.",
    "На следующей неделе я в отпуске, меня заменяет коллега.",
    "The second column is the one that matters. Where it is empty the meter was not read, which "
    "happened in two buildings because the key was with the caretaker.",
    "Nous en parlerons lundi, mais je voulais déjà partager cette version.",
    "I moved the meeting by half an hour so that the colleagues from the other site can join.",
    "Thanks for the quick answer, that was exactly what I was missing.",
)

CLOSINGS = ("Best regards", "Viele Grüße", "Cheers", "Bien à vous", "よろしくお願いいたします")

NOTICES = (
    ("Booking confirmed, number {number}", "{name} is booked on {day} from 09:00 to 11:00.\n"),
    ("Booking {number} was moved", "The booking of {day} moved to the afternoon, 14:00.\n"),
    ("Weekly report {number}", "Nothing unusual happened in the week that ended on {day}.\n"),
    ("Windows are cleaned, round {number}", "On {day} please keep the sills free.\n"),
)
