"""A model with its implementation in its class."""

from bokeh.core.properties import Int
from bokeh.io import curdoc
from bokeh.models import Column, LayoutDOM, Slider
from bokeh.util.compiler import TypeScript


class Own(LayoutDOM):
    __implementation__ = TypeScript("""
import {LayoutDOM, LayoutDOMView} from "models/layouts/layout_dom"
import * as p from "core/properties"

export class OwnView extends LayoutDOMView {
  declare model: Own
  get child_models() { return [] }
  override connect_signals(): void {
    super.connect_signals()
    this.connect(this.model.properties.value.change, () => this.rerender())
  }
  override render(): void {
    super.render()
    const text = document.createElement("span")
    text.textContent = `own ${this.model.value}`
    this.shadow_el.append(text)
  }
}

export namespace Own {
  export type Attrs = p.AttrsOf<Props>
  export type Props = LayoutDOM.Props & {value: p.Property<number>}
}

export interface Own extends Own.Attrs {}

export class Own extends LayoutDOM {
  declare properties: Own.Props
  declare __view_type__: OwnView
  constructor(attrs?: Partial<Own.Attrs>) { super(attrs) }
  static {
    this.prototype.default_view = OwnView
    this.define<Own.Props>(({Int}) => ({value: [Int, 0]}))
  }
}
""")
    value = Int(default=0)


own = Own(height=30)
slider = Slider(start=0, end=10, value=0)
slider.on_change("value", lambda attr, old, new: own.update(value=int(new)))
curdoc().add_root(Column(slider, own))
