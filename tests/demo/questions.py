"""What customers ask the support bot, what is right, and what a bot that gets it wrong says."""

from typing import NamedTuple


class Question(NamedTuple):
    """A question with the fact that an answer must hold, a right answer and a wrong one."""

    category: str
    question: str
    expected: str
    right: str
    wrong: str

    def row(self) -> dict[str, str]:
        """The row of a dataset."""
        names = {"category": self.category, "question": self.question}
        return {**names, "expected": self.expected, "reference": self.right}


FAQ = [
    Question("shipping", "How long does standard delivery take?", "3 to 5 working days",
             "Standard delivery takes 3 to 5 working days.", "Standard delivery arrives the next day."),
    Question("shipping", "Do you deliver on Saturdays?", "only with express",
             "Saturday delivery is available only with express shipping.", "Yes, every parcel can come on a Saturday."),
    Question("shipping", "Can I change the address after ordering?", "until the parcel is packed",
             "You can change the address until the parcel is packed, under My orders.",
             "You can change the address at any time."),
    Question("shipping", "Do you ship to Norway?", "customs",
             "Yes, we ship to Norway; customs duties are collected on delivery.",
             "Yes, we ship to Norway without extra charges."),
    Question("shipping", "My tracking number shows nothing. Why?", "24 hours",
             "The carrier shows a new parcel after up to 24 hours.", "The parcel is lost, please order again."),
    Question("shipping", "What does express shipping cost?", "9.90",
             "Express shipping costs 9.90, whatever you order.", "Express shipping is free."),
    Question("refunds", "How long do I have to return an item?", "14 days",
             "You can return an unused item within 14 days of delivery.", "Items can be returned for a whole year."),
    Question("refunds", "When will I get my money back?", "5 working days",
             "Refunds are paid within 5 working days after we received the item.", "Refunds are paid the same hour."),
    Question("refunds", "Who pays for the return label?", "free above 40",
             "The return label is free above 40; below that it costs 3.90.", "Return labels are always free."),
    Question("refunds", "Can I return a sale item?", "store credit",
             "Sale items can be returned for store credit.", "Sale items are refunded in full."),
    Question("refunds", "Can I return an opened software box?", "sealed",
             "Software can be returned only while the box is sealed.", "Yes, just send it back."),
    Question("refunds", "I lost the receipt. Can I still return it?", "order number",
             "Yes, the order number from your e-mail is enough.", "Without a receipt nothing can be returned."),
    Question("account", "How do I reset my password?", "Forgot password",
             "Choose Forgot password on the sign-in page and follow the link we send.", "Please open a new account."),
    Question("account", "How do I close my account?", "Settings, then Privacy",
             "Open Settings, then Privacy, and choose Close account.", "Accounts cannot be closed."),
    Question("account", "Can two people share an account?", "one person",
             "An account belongs to one person; a family plan links up to five.", "Yes, share the password."),
    Question("account", "How do I change my e-mail address?", "confirm both",
             "Change it under Settings; you confirm both the old and the new address.", "It cannot be changed."),
    Question("account", "Why was I signed out?", "30 days",
             "For your safety a session ends after 30 days.", "Your account was closed."),
    Question("billing", "Which cards do you accept?", "debit and credit",
             "We accept all common debit and credit cards.", "We accept cash only."),
    Question("billing", "Can I pay by invoice?", "business customers",
             "Invoices are offered to business customers.", "Yes, everybody can pay by invoice."),
    Question("billing", "Why was I charged twice?", "reserved amount",
             "One of the two is a reserved amount, which your bank releases in a week.", "We always charge twice."),
    Question("billing", "Where do I find my invoice?", "My orders",
             "Your invoice is under My orders, as a PDF.", "Invoices are sent by post."),
    Question("product", "Does the lamp work with 110 volts?", "100 to 240",
             "Yes, its power supply takes 100 to 240 volts.", "No, the lamp needs 230 volts."),
    Question("product", "Is the kettle dishwasher safe?", "by hand",
             "No, please wash the kettle by hand.", "Yes, put it in the dishwasher."),
    Question("product", "How long is the warranty?", "2 years",
             "The warranty is 2 years from the date of purchase.", "There is no warranty."),
]  # fmt: skip

LONGER_RETURNS = Question(
    "refunds", "How long do I have to return an item?", "30 days",
    "You can return an unused item within 30 days of delivery.", "Items must be returned within 14 days.",
)  # fmt: skip
GIFT_CARDS = Question(
    "billing", "Do gift cards expire?", "3 years",
    "Gift cards are valid for 3 years.", "Gift cards never expire.",
)  # fmt: skip
EDITED_FAQ = [*(LONGER_RETURNS if asked.question == LONGER_RETURNS.question else asked for asked in FAQ), GIFT_CARDS]

REFUND_POLICY = [
    Question("window", "It is day 13 after delivery. Can I send it back?", "Yes",
             "Yes, day 13 is inside the return window.", "No, the return window has closed."),
    Question("window", "I bought it in spring. Can I return it?", "has closed",
             "I am sorry, the return window for a purchase in spring has closed.", "Sure, send it back."),
    Question("window", "Does the window start with the order or the delivery?", "the delivery",
             "The window starts with the delivery.", "The window starts with the order."),
    Question("condition", "I wore the shoes outside once. Refund?", "unworn",
             "Only unworn shoes can be refunded.", "Of course, you get a full refund."),
    Question("condition", "The box is torn, the item is fine. Refund?", "the item counts",
             "Yes, the condition of the item counts, not of the box.", "No, the box has to be intact."),
    Question("condition", "It arrived broken. What now?", "photo",
             "Send us a photo and we replace it at once.", "Broken items are not covered."),
    Question("amount", "Is shipping refunded too?", "standard shipping",
             "We refund standard shipping, not the surcharge for express.", "Shipping is never refunded."),
    Question("amount", "I used a voucher of 10. What do I get back?", "the amount you paid",
             "You get back the amount you paid, and the voucher becomes valid again.", "You get 10 more back."),
    Question("amount", "Can I keep one of the two items?", "for the other",
             "Yes, you are refunded for the other one.", "No, an order is returned as a whole."),
    Question("method", "Can the refund go to another card?", "the original",
             "No, refunds go to the original means of payment.", "Yes, tell me the number of the card."),
    Question("method", "I paid by invoice. How am I refunded?", "bank transfer",
             "By bank transfer to the account you name in the return form.", "With a store voucher."),
    Question("method", "Can I have a voucher instead?", "10% on top",
             "Yes, and you get 10% on top if you choose a voucher.", "No, we do not offer vouchers."),
]  # fmt: skip

LOST_BY_BREVITY = [FAQ[1], FAQ[2], FAQ[3], FAQ[8], FAQ[18]]
"""What the brief prompt gets wrong: answers with a condition, which it drops."""

SMALL_IS_WRONG = [FAQ[3], FAQ[8], FAQ[9], FAQ[14], FAQ[15], FAQ[19], GIFT_CARDS, *REFUND_POLICY[3:5], REFUND_POLICY[7]]
SMALL_HANDS_OVER = [FAQ[10], FAQ[13]]
SMALL_ASKS_BACK = [FAQ[4], FAQ[20]]
LARGE_IS_WRONG = [FAQ[19]]
FLAKY = REFUND_POLICY[6]
"""The question that helpdesk-large gets right the first time and wrong the second."""

TIMES_OUT = FAQ[21]
"""The question on which helpdesk-small raises in one run."""
