def draw(result):
    from experiments.figures.style import new_figure

    return new_figure(2, 2)
