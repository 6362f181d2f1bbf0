window.shout = (text) => text.toUpperCase() + "!";
