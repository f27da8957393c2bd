"""演示: a simulated city to look at, train on, rehearse with and load-test."""

from xiuhua.manifest import Command, Manifest, Text

ROOM = Manifest(
    code="demo",
    title=Text("演示城市", "Demo city"),
    icon="building-community",
    commands=(
        Command(
            "city load", "xiuhua.demo.city_load:main", "load a city described in a folder, or a carried one: boston"
        ),
        Command("demo load", "xiuhua.demo.load:main", "load the simulated city into an empty database"),
        Command("demo logins", "xiuhua.demo.logins:main", "print the log-ins of the simulated city"),
    ),
)
