# An inventory on stdin, a line for each movement: what is left of each thing, and what cannot be.
Movement = Struct.new(:thing, :number)

movements = $stdin.each_line.map(&:split).map { |thing, number| Movement.new(thing, Integer(number)) }

stock = Hash.new(0)
movements.each do |movement|
  left = stock[movement.thing] + movement.number
  if left.negative?
    warn "only #{stock[movement.thing]} of #{movement.thing}, not #{-movement.number}"
  else
    stock[movement.thing] = left
  end
end

stock.sort.each { |thing, left| puts "#{thing.ljust(8, ".")}#{left.to_s.rjust(4, ".")}" }
puts "#{stock.values.sum} in all"
