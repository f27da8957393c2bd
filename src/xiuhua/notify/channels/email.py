"""E-mail by SMTP (RFC 5321), with STARTTLS or TLS from the start. Certificates are checked."""

from __future__ import annotations

import smtplib
import ssl
from email.message import EmailMessage
from email.utils import format_datetime, formataddr

from xiuhua.casework import moments
from xiuhua.casework.trouble import Hopeless
from xiuhua.notify.channels import http
from xiuhua.notify.channels.message import Message
from xiuhua.notify_channel import Smtp


def compose(channel: Smtp, address: str, message: Message) -> EmailMessage:
    """Plain text in UTF-8; the same key gives the same Message-ID, so that a double is known for one."""
    mail = EmailMessage()
    mail["From"] = formataddr((channel.sender_name, channel.sender), "utf-8")
    mail["To"] = address
    mail["Subject"] = " ".join(message.subject.split())
    mail["Date"] = format_datetime(moments.now())
    mail["Message-ID"] = f"<{message.key.replace(':', '.')}@{channel.sender.rpartition('@')[2]}>"
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(message.body + (f"\n\n{message.link}" if message.link else "") + "\n", cte="base64")
    return mail


def send(channel: Smtp, address: str, message: Message) -> str:
    """Returns the Message-ID. 4xx and a silent network mean "later", 5xx is hopeless."""
    mail = compose(channel, address, message)
    try:
        with connect(channel) as server:
            if channel.username:
                server.login(channel.username, channel.password.get_secret_value())
            server.send_message(mail)
    except smtplib.SMTPRecipientsRefused as error:
        code = next((code for code, _said in error.recipients.values()), 550)
        raise _trouble(channel, code) from None
    except smtplib.SMTPResponseException as error:
        raise _trouble(channel, error.smtp_code) from None
    except ssl.SSLError as error:
        raise http.Unreachable(f"{channel.host}: {http.tls_trouble(error)}") from None
    except smtplib.SMTPNotSupportedError:
        raise Hopeless(f"{channel.host}: the server offers no STARTTLS") from None
    except (smtplib.SMTPException, OSError) as error:
        raise http.Unreachable(f"{channel.host}: {type(error).__name__}") from None
    return str(mail["Message-ID"])


def _trouble(channel: Smtp, code: int) -> Exception:
    return (Hopeless if 500 <= code < 600 else http.Unreachable)(f"{channel.host}: SMTP {code}")


def connect(channel: Smtp) -> smtplib.SMTP:
    """A connection after its greeting and, where that is wanted, in TLS."""
    context = ssl.create_default_context()
    if channel.security == "tls":
        return smtplib.SMTP_SSL(channel.host, channel.port, timeout=channel.timeout, context=context)
    server = smtplib.SMTP(channel.host, channel.port, timeout=channel.timeout)
    try:
        if channel.security == "starttls":
            server.starttls(context=context)
    except BaseException:
        server.close()
        raise
    return server
