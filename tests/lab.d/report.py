"""Figures of a scene over its rounds, and whether they are as they should be."""

TOLERANCE = (0.25, 0.3)  # a part of the goal, or seconds if that is more: what a busy machine may cost


def quantile(values, part):
    """By nearest rank; None stands for never."""
    ranked = sorted(values, key=lambda value: float("inf") if value is None else value)
    return ranked[min(int(len(ranked) * part), len(ranked) - 1)] if ranked else None


def allowed(goal):
    return goal + max(goal * TOLERANCE[0], TOLERANCE[1])


def summary(scene, kind, rounds):
    """The figures of one kind of client."""
    measured = [r["measured"][kind] for r in rounds if kind in r.get("measured", {})]
    values = [value for m in measured for value in m["seconds"]]
    logins = [m["logins"] for m in measured]
    return {
        "scene": scene.name,
        "client": kind,
        "rounds": len(measured),
        "p50": quantile(values, 0.5),
        "p95": quantile(values, 0.95),
        "worst": quantile(values, 1.0),
        "seconds": values,
        "logins": [min(logins), max(logins)] if logins else [],
        "lags": [lag for m in measured for lag in m["lags"]],
    }


def verdict(scene, figures, rounds):
    """What is wrong with redial's figures: a list of sentences."""
    wrong = [text for r in rounds for text in r["failures"]]
    for name in ("p50", "worst"):
        goal = getattr(scene, name)
        if goal is None or not figures["seconds"] or (name == "p50" and len(rounds) < 3):
            continue
        # What never came back has a sentence of its own.
        if len(rounds) == 1 and scene.luck:
            goal = scene.luck
        own = [s - min(lag, s) for s, lag in zip(figures["seconds"], figures["lags"]) if s is not None]
        value = quantile(own, 0.5 if name == "p50" else 1.0)
        if value is not None and value > allowed(goal):
            wrong.append(f"{name} is {figures[name] or value:.2f} s, goal {goal:g} s")
    if figures["logins"] and figures["logins"][1] > scene.logins:
        wrong.append(f"{figures['logins'][1]} logins, at most {scene.logins}")
    return wrong


HEAD = f"{'scene':<20} {'client':<7} {'rounds':>6} {'p50':>7} {'p95':>7} {'worst':>7}  {'goal':<9} {'logins':<7}"


def line(scene, figures):
    def number(value):
        if not figures["seconds"]:
            return f"{'-':>7}"
        return f"{'never' if value is None else format(value, '.2f'):>7}"

    goals = "/".join(f"{g:g}" for g in (scene.p50, scene.worst) if g is not None) or "-"
    logins = "-".join(map(str, sorted(set(figures["logins"]))))
    numbers = " ".join(number(figures[name]) for name in ("p50", "p95", "worst"))
    return f"{figures['scene']:<20} {figures['client']:<7} {figures['rounds']:>6} {numbers}  {goals:<9} {logins:<7}"
